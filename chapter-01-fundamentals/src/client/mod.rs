//! The echo client: sends standard input to the server, and writes the echo to standard output.
//!
//! | module | protocol |
//! |---|---|
//! | [`tcp`] | TCP: sends and receives at once, and counts the bytes of both |
//! | [`udp`] | UDP: sends a line, waits for its echo, sends the next line |

pub mod tcp;
pub mod udp;

use std::io::{self, IsTerminal as _, Write as _};

use nix::errno::Errno;

/// Why the client ends early.
#[derive(Debug)]
pub enum ClientError {
    /// The reader of our standard output has closed it. Not a failure: the client exits silently.
    StdoutClosed,
    /// Any other error, as the message to print.
    Failed(String),
}

impl ClientError {
    fn failed(what: &str, error: Errno) -> Self {
        Self::Failed(format!("{what}: {error}"))
    }
}

/// Whether standard input and output are a terminal: only then is there a prompt.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

fn prompt(interactive: bool) -> Result<(), ClientError> {
    if interactive { print(b"> ") } else { Ok(()) }
}

/// Unlike `println!`, this does not panic on a closed pipe: Rust programs ignore SIGPIPE, so the write returns the
/// error `EPIPE`.
fn print(bytes: &[u8]) -> Result<(), ClientError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => ClientError::StdoutClosed,
        _ => ClientError::Failed(format!("cannot write to standard output: {error}")),
    })
}
