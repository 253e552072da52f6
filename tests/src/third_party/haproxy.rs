//! HAProxy, where it is installed.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use tempfile::NamedTempFile;

use crate::backend::{ReservedPort, reserved_port};
use crate::wait::until;

/// A running `haproxy` that relays TCP connections to one server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Haproxy {
    child: Child,
    port: ReservedPort,
    _config: NamedTempFile,
}

impl Haproxy {
    /// Starts it on a free port, in front of `server`, with this option of its `server` line. `None`, and a line that says
    /// so, where it is not installed.
    pub(crate) fn start(server: SocketAddr, option: &str) -> Option<Self> {
        let port = reserved_port();
        let mut config = NamedTempFile::with_suffix(".cfg").unwrap();
        write!(
            config,
            "defaults\n mode tcp\n timeout connect 10s\n timeout client 1m\n timeout server 1m\n\
             listen relay\n bind {}\n server lb {server} {option}\n",
            port.addr
        )
        .unwrap();
        let spawned = Command::new("haproxy")
            .args(["-db", "-q", "-f"])
            .arg(config.path())
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = spawned else {
            println!("skipped: haproxy is not installed");
            return None;
        };
        let haproxy = Self { child, port, _config: config };
        until("haproxy listens", || TcpStream::connect(haproxy.addr()).is_ok());
        Some(haproxy)
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.port.addr
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
