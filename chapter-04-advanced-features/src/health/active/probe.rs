//! One check of one backend, on the thread that calls it.
//!
//! The connection is always a new one, never a pooled one: a check that waited for a pooled connection would only show
//! that the pool is full. Connect, request and response share **one** deadline, so that a backend which sends a byte
//! now and then times out like one that sends none.

use std::{
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    clock::now,
    http::{FailureKind as ErrorIs, Interest, Side, Wire as _},
    net::{AddressList, ConnectPlan},
    shutdown::{Shutdown, ShutdownStage},
};
use simple_proxy::{
    connect::connect,
    poll::{WakeReason, poll_sockets},
    socket::Socket,
};

use super::{
    config::{CheckConfig, CheckKind},
    response_matcher::{MAX_BODY_BYTES, MAX_HEAD_BYTES, MatchResult, match_response},
    status_set::StatusSet,
};

const READ: Interest = Interest { read: true, write: false };
const WRITE: Interest = Interest { read: false, write: true };

/// Why a check did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckFailure {
    /// The backend failed the check; the reason in a few words.
    Unhealthy(String),
    /// The check could not run, and says nothing about the backend: no file descriptor left, or health checks are
    /// shutting down.
    Internal(String),
}

/// Checks a backend at `addresses`; one of them has to respond. `host` is the value of the `Host` header. Ends after
/// `check.timeout` at the latest, and at once when `shutdown` reaches its last stage.
///
/// # Errors
/// Whether the backend or this process is at fault, and the reason.
pub fn probe(
    check: &CheckConfig,
    addresses: &[SocketAddr],
    host: &str,
    shutdown: &Shutdown,
) -> Result<(), CheckFailure> {
    let probe = Probe { deadline: now() + check.timeout, timeout: check.timeout, shutdown };
    let mut socket = probe.connect(addresses, check.port)?;
    match &check.kind {
        CheckKind::Tcp => Ok(()),
        CheckKind::Http { path, host: host_override, expected_statuses, body_contains } => {
            let host = host_override.as_deref().unwrap_or(host);
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: health-check\r\nAccept: */*\r\n\
                 Connection: close\r\n\r\n"
            );
            probe.send_request(&mut socket, request.as_bytes())?;
            probe.receive_response(&mut socket, expected_statuses, body_contains.as_deref())
        }
    }
}

struct Probe<'a> {
    deadline: Instant,
    timeout: Duration,
    shutdown: &'a Shutdown,
}

impl Probe<'_> {
    fn connect(&self, addresses: &[SocketAddr], port: Option<u16>) -> Result<Socket, CheckFailure> {
        let address = |address: &SocketAddr| SocketAddr::new(address.ip(), port.unwrap_or(address.port()));
        let (now, addresses) = (now(), addresses.iter().map(address));
        let plan = ConnectPlan::new(&Arc::new(AddressList::new(addresses, now)), now, self.deadline);
        connect(plan, self.shutdown).map_err(|error| match error.kind {
            _ if error.side == Side::Internal => CheckFailure::Internal(error.to_string()),
            ErrorIs::Timeout => CheckFailure::Unhealthy(format!("connect timed out after {:?}", self.timeout)),
            _ => CheckFailure::Unhealthy(error.source.map_or("connect failed".into(), |source| source.to_string())),
        })
    }

    fn send_request(&self, socket: &mut Socket, mut request: &[u8]) -> Result<(), CheckFailure> {
        while !request.is_empty() {
            match socket.send(&[IoSlice::new(request)]) {
                Ok(sent) => request = &request[sent..],
                Err(error) => self.wait_if_would_block(socket, WRITE, &error)?,
            }
        }
        Ok(())
    }

    fn receive_response(
        &self,
        socket: &mut Socket,
        expected_statuses: &StatusSet,
        body_contains: Option<&str>,
    ) -> Result<(), CheckFailure> {
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let eof = match socket.recv(&mut buffer) {
                Ok(n) => {
                    received.extend_from_slice(&buffer[..n]);
                    // Beyond this size, match what has been received.
                    n == 0 || received.len() > MAX_HEAD_BYTES + MAX_BODY_BYTES
                }
                Err(error) => {
                    self.wait_if_would_block(socket, READ, &error)?;
                    continue;
                }
            };
            match match_response(expected_statuses, body_contains, &received, eof) {
                MatchResult::NeedMore => {}
                MatchResult::Healthy => return Ok(()),
                MatchResult::Unhealthy(reason) => return Err(CheckFailure::Unhealthy(reason)),
            }
        }
    }

    /// Waits for the socket if the error is `WouldBlock`; fails on any other error.
    fn wait_if_would_block(
        &self,
        socket: &mut Socket,
        interest: Interest,
        error: &io::Error,
    ) -> Result<(), CheckFailure> {
        match error.kind() {
            ErrorKind::Interrupted => return Ok(()),
            ErrorKind::WouldBlock => {}
            _ => return Err(CheckFailure::Unhealthy(error.to_string())),
        }
        match poll_sockets((socket, interest), None, self.shutdown, ShutdownStage::Draining, self.deadline) {
            Ok(WakeReason::Ready) => Ok(()),
            Ok(WakeReason::TimedOut) => {
                Err(CheckFailure::Unhealthy(format!("response timed out after {:?}", self.timeout)))
            }
            Ok(WakeReason::ShutdownStage) => Err(CheckFailure::Internal("health checks are shutting down".into())),
            Err(error) => Err(CheckFailure::Internal(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use super::*;
    use crate::health::active::test_backend::{BlackHole, RefusingPort, TestBackend};

    fn check(text: &str, addresses: &[SocketAddr]) -> Result<(), CheckFailure> {
        probe(&text.parse().unwrap(), addresses, "backend.test:80", &Shutdown::new().unwrap())
    }

    /// The reason why the backend is unhealthy.
    fn reason_for(text: &str, address: SocketAddr) -> String {
        match check(text, &[address]) {
            Err(CheckFailure::Unhealthy(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn expected_responses_are_healthy() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well\n");
        for text in ["tcp", "http:/health", "http:/,body=is well", "http:/,expect=200"] {
            assert_eq!(check(text, &[ok.address]), Ok(()), "{text}");
        }
        let dead = RefusingPort::new();
        assert_eq!(check("http:/health", &[dead.address, ok.address]), Ok(()), "one of its addresses is enough");
        assert_eq!(check(&format!("http:/,port={}", ok.address.port()), &[dead.address]), Ok(()), "its own port");
    }

    #[test]
    fn sends_path_and_host() {
        for (text, line, host) in [
            ("http:/health?a=1", "GET /health?a=1 HTTP/1.1", "Host: backend.test:80"),
            ("http:/,host=a.example", "GET / HTTP/1.1", "Host: a.example"),
        ] {
            let (received, requests) = std::sync::mpsc::channel();
            let backend = TestBackend::with_handler(move |mut stream, request| {
                received.send(request.to_owned()).unwrap();
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            });
            assert_eq!(check(text, &[backend.address]), Ok(()));
            let request = requests.recv_timeout(Duration::from_secs(10)).unwrap();
            let lines: Vec<_> = request.split("\r\n").collect();
            assert_eq!(lines[0], line);
            assert!(lines.contains(&host) && lines.contains(&"Connection: close"), "{request}");
        }
    }

    #[test]
    fn reports_why_a_backend_is_unhealthy() {
        let refused = reason_for("tcp", RefusingPort::new().address);
        assert!(refused.contains("refused"), "{refused}");
        for (answer, text, reason) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "http:/", "status 503, expected 200-399"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "http:/,body=yes", "the body does not contain 'yes'"),
            ("", "http:/", "connection closed before the response was complete"),
            ("220 mail.example ESMTP\r\n", "http:/", "not an HTTP/1 response: invalid HTTP version"),
        ] {
            assert_eq!(reason_for(text, TestBackend::with_response(answer).address), reason);
        }
    }

    #[test]
    fn one_deadline_for_connect_request_and_response() {
        let began = now();
        let hole = BlackHole::new();
        assert_eq!(reason_for("tcp,timeout=300ms", hole.address), "connect timed out after 300ms");

        // The kernel completes the handshake; no process responds.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(reason_for("http:/,timeout=300ms", silent.local_addr().unwrap()), "response timed out after 300ms");

        let dripping = TestBackend::with_handler(|mut stream, _| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
            // A byte every 20 ms, until the other side has closed.
            let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
            while !matches!(stream.read(&mut [0; 1]), Ok(0)) && stream.write_all(b"x").is_ok() {}
        });
        assert_eq!(reason_for("http:/,timeout=300ms", dripping.address), "response timed out after 300ms");
        let took = now() - began;
        assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }

    #[test]
    fn a_shutdown_cancels_the_check_without_blaming_the_backend() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let shutdown = Shutdown::new().unwrap();
        let check: CheckConfig = "http:/,timeout=1h".parse().unwrap();
        let outcome = std::thread::scope(|scope| {
            let probing = scope.spawn(|| probe(&check, &[address], "x", &shutdown));
            let _accepted = silent.accept().unwrap();
            shutdown.stop();
            probing.join().unwrap()
        });
        assert!(matches!(outcome, Err(CheckFailure::Internal(_))), "{outcome:?}");
    }
}
