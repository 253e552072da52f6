//! TCP keep-alive: the kernel asks a peer that has been silent whether it still exists.
//!
//! A session may be silent for an hour. If the peer's machine has lost its power, or a firewall has forgotten the
//! connection, no FIN or RST ever comes: without these probes, the session holds its descriptors until
//! `--session-timeout`.

use std::{os::fd::AsFd, time::Duration};

use socket2::{SockRef, TcpKeepalive};

/// How long a connection is silent before the first probe. Less than the idle timeout of common firewalls and NATs.
const IDLE: Duration = Duration::from_mins(1);
/// Between two probes. Linux gives up after nine: that fails the socket with `ETIMEDOUT`.
const INTERVAL: Duration = Duration::from_secs(10);

/// Switches probes on. For a listener, those that it accepts inherit them (Linux), which saves three system calls per
/// connection.
pub(crate) fn enable_keep_alive(socket: &impl AsFd) {
    let probes = TcpKeepalive::new().with_time(IDLE).with_interval(INTERVAL);
    // Fails only for a socket that is closed already.
    let _ = SockRef::from(socket).set_tcp_keepalive(&probes);
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn an_accepted_socket_inherits_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        enable_keep_alive(&listener);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), IDLE);
    }
}
