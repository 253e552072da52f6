//! A Redis server, where it is installed.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use crate::backend::{ReservedPort, reserved_port};
use crate::wait::until;

/// A running `redis-server`, which keeps nothing. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    child: Child,
    port: ReservedPort,
}

impl Redis {
    /// Starts it on a free port. `None`, and a line that says so, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let port = reserved_port();
        let number = port.addr.port().to_string();
        let flags = ["--port", &number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let Ok(child) = Command::new("redis-server").args(flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        else {
            println!("skipped: redis-server is not installed");
            return None;
        };
        let redis = Self { child, port };
        until("redis listens", || TcpStream::connect(redis.addr()).is_ok());
        Some(redis)
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.port.addr
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
