//! A scripted backend in its own process, which can be killed by SIGKILL.
//!
//! It is this test program, started again with a role in place of libtest's flags, so nothing else has to be built. It
//! keeps connections open, and prints each request that it has executed before it answers, so the output survives the
//! kill.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Backend;
use super::own_process::{is_started_as, start, until_orphaned};
use crate::Context;
use crate::process::Program;
use crate::wait::{ms, pause};

/// The argument that starts this test program as the backend.
const ROLE: &str = "--as-backend";
/// How long a request takes: long enough that some are always in flight.
const WORK: Duration = ms(4);

/// A backend that can be killed. Dropped: killed and waited for.
#[derive(Debug)]
pub struct BackendProcess(Program);

impl BackendProcess {
    /// Starts one on an ephemeral port.
    pub fn start(ctx: &Context) -> Self {
        Self(start(ctx, ROLE))
    }

    /// The address it listens on, or did.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Kills it as `kill -9` does: nothing is flushed, the kernel resets its open connections.
    pub fn kill(&self) {
        self.0.signal(Signal::SIGKILL);
    }

    /// The bodies of the requests that it has executed, each as often as it was executed.
    pub fn executed(&self) -> Vec<String> {
        self.0.stdout().lines().filter_map(|line| line.strip_prefix("executed ")).map(str::to_owned).collect()
    }
}

/// If this process was started as a backend: runs it and returns its exit code.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    is_started_as(ROLE).then(run)
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

/// Prints with one write, so that lines of several threads do not mix.
fn say(line: &str) -> bool {
    std::io::stdout().lock().write_all(line.as_bytes()).and_then(|()| std::io::stdout().flush()).is_ok()
}
