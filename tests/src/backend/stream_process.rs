//! A backend in its own process that streams on each connection, and can be killed by SIGKILL.
//!
//! It leaves what the client has sent unread, so that the kernel resets its connections when it is killed: a process
//! that has read everything ends with a FIN, and nobody behind it can tell that from an end on purpose.

use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use nix::sys::signal::Signal;

use super::own_process::{is_started_as, start, until_orphaned};
use crate::Context;
use crate::process::Program;
use crate::rng::block;
use crate::wait::{ms, pause};

/// The argument that starts this test program as the backend.
const ROLE: &str = "--as-streaming-backend";
/// How many bytes a client has to send before the stream begins. Any byte more ends it.
pub const BYTES_TO_BEGIN: usize = 1_000;

/// A streaming backend that can be killed. Dropped: killed and waited for.
///
/// A connection gets its port in two bytes, then [`block`]s until the client sends more than [`BYTES_TO_BEGIN`] bytes,
/// then how many bytes the blocks were, in eight, and a FIN.
#[derive(Debug)]
pub struct StreamProcess(Program);

impl StreamProcess {
    /// Starts one on an ephemeral port.
    pub fn start(ctx: &Context) -> Self {
        Self(start(ctx, ROLE))
    }

    /// The address it listens on, or did.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Kills it as `kill -9` does, and waits for its end.
    pub fn kill(&mut self) {
        self.0.signal(Signal::SIGKILL);
        assert!(self.0.wait(crate::wait::TEST_TIMEOUT).is_some(), "nothing survives SIGKILL");
    }
}

/// If this process was started as such a backend: runs it and returns its exit code.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    is_started_as(ROLE).then(run)
}

fn run() -> ExitCode {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    until_orphaned();
    ExitCode::SUCCESS
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    let (block, mut unread, mut sent) = (block(), [0; 2 * BYTES_TO_BEGIN], 0_u64);
    while stream.peek(&mut unread)? < BYTES_TO_BEGIN {
        pause(ms(1));
    }
    stream.write_all(&stream.local_addr()?.port().to_be_bytes())?;
    while stream.peek(&mut unread)? == BYTES_TO_BEGIN {
        stream.write_all(&block)?;
        sent += block.len() as u64;
    }
    stream.write_all(&sent.to_be_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream, &mut io::sink()).map(|_| ())
}
