//! A backend in a process of its own, for what only a process can suffer: SIGKILL.
//!
//! It is this test program, started again with a word in place of libtest's flags, so nothing else has to be built. It
//! keeps connections open, and says on standard output which requests it has executed, before it answers: what it has
//! said survives it.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Backend, bundled};
use crate::Context;
use crate::process::{Options, Program};
use crate::wait::{ms, pause};

/// The word.
const ROLE: &str = "--as-backend";
/// What a request takes: long enough that some are always under way.
const WORK: Duration = ms(4);

/// A backend that can be killed. Dropped: killed and waited for.
#[derive(Debug)]
pub struct Separate(Program);

impl Separate {
    /// Starts one on a port the kernel chooses.
    pub fn start(ctx: &Context) -> Self {
        Self(start(ctx, ROLE))
    }

    /// Where it listens, or did.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Ends it as `kill -9` does: nothing is flushed, the kernel resets what was open.
    pub fn kill(&self) {
        self.0.signal(Signal::SIGKILL);
    }

    /// The targets of the requests with a body that it has executed, each as often as it did.
    pub fn executed(&self) -> Vec<String> {
        self.0.stdout().lines().filter_map(|line| line.strip_prefix("executed ")).map(str::to_owned).collect()
    }
}

/// Whether this process is to be a backend. Then it is one, until somebody ends it or nobody is left to read it.
pub(crate) fn if_asked() -> Option<ExitCode> {
    match std::env::args().nth(1)?.as_str() {
        ROLE => Some(run()),
        bundled::ROLE => Some(bundled::run()),
        _ => None,
    }
}

/// Another process of this test program, which plays the backend that `role` asks for.
pub(super) fn start(ctx: &Context, role: &str) -> Program {
    let program = std::env::current_exe().expect("the path of the test program");
    Program::start(&program, &[role.to_owned()], Options::default(), ctx.children())
}

fn run() -> ExitCode {
    let backend = Backend::start(|conn| {
        while let Ok(request) = conn.request() {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            if !body.is_empty() && !say(&format!("executed {body}\n")) {
                std::process::exit(1);
            }
            pause(WORK);
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
        }
    });
    if !say(&format!("listening on {}\n", backend.addr())) {
        return ExitCode::FAILURE;
    }
    until_orphaned();
    ExitCode::SUCCESS
}

/// Waits until the test run has ended, whichever way.
pub(super) fn until_orphaned() {
    let parent = nix::unistd::getppid();
    while nix::unistd::getppid() == parent {
        pause(ms(200));
    }
}

/// One write, so that lines of several threads do not mix.
fn say(line: &str) -> bool {
    std::io::stdout().lock().write_all(line.as_bytes()).and_then(|()| std::io::stdout().flush()).is_ok()
}
