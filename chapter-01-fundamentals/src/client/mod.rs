//! The other side: standard input goes out, what comes back goes to standard output.
//!
//! | module | over |
//! |---|---|
//! | [`tcp`] | TCP: bytes in both directions at once, counted |
//! | [`udp`] | UDP: a line, its echo, the next line |

pub mod tcp;
pub mod udp;

use std::io::{self, IsTerminal as _, Write as _};

use nix::errno::Errno;

/// How a client ends before its time.
#[derive(Debug)]
pub enum ClientError {
    /// Whoever read our standard output has gone: nobody is left to tell, and nothing is wrong.
    StdoutClosed,
    /// Anything else, in words.
    Failed(String),
}

impl ClientError {
    fn failed(what: &str, error: Errno) -> Self {
        Self::Failed(format!("{what}: {error}"))
    }
}

/// Whether a person sits there: only they are shown a prompt.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

fn prompt(interactive: bool) -> Result<(), ClientError> {
    if interactive { print(b"> ") } else { Ok(()) }
}

/// Not `println!`: Rust programs ignore SIGPIPE, so that a closed pipe is the error `EPIPE` here, and a panic
/// there.
fn print(bytes: &[u8]) -> Result<(), ClientError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => ClientError::StdoutClosed,
        _ => ClientError::Failed(format!("cannot write to standard output: {error}")),
    })
}
