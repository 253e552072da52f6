//! Suite `udp`: datagrams. The case holds both ends, so it can tell whether each reply reaches the client that asked.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use backends::UdpEcho;

use crate::Context;
use crate::process::Program;
use crate::suites::layer4::statistic;
use crate::wait::{TEST_TIMEOUT, ms, until};

pub(super) mod backends_down;
pub(super) mod datagrams;
pub(super) mod ends;
pub(super) mod flows;
pub(super) mod limits;
pub(super) mod peers;
pub(super) mod program;

/// How long to wait for what must not come.
const SILENCE: Duration = ms(200);

/// One end of a flow: a client, or a backend whose datagrams the case receives itself.
#[derive(Debug)]
pub(super) struct Peer(pub(super) UdpSocket);

impl Peer {
    /// An end on an ephemeral port of this address.
    pub(super) fn bind(ip: &str) -> Self {
        Self(UdpSocket::bind((ip.parse::<IpAddr>().unwrap(), 0)).unwrap())
    }

    /// A client of `program`.
    pub(super) fn of(program: &Program) -> Self {
        let client = Self::bind(if program.addr().is_ipv4() { "127.0.0.1" } else { "::1" });
        client.0.connect(program.addr()).unwrap();
        client
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(super) fn send(&self, payload: impl AsRef<[u8]>) {
        assert_eq!(self.0.send(payload.as_ref()).unwrap(), payload.as_ref().len());
    }

    /// The next datagram and its sender, if one arrives within `within`.
    pub(super) fn receive_within(&self, within: Duration) -> Option<(Vec<u8>, SocketAddr)> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut buffer = vec![0; 65_535];
        match self.0.recv_from(&mut buffer) {
            Ok((length, from)) => {
                buffer.truncate(length);
                Some((buffer, from))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("receive: {error}"),
        }
    }

    pub(super) fn receive(&self) -> (Vec<u8>, SocketAddr) {
        self.receive_within(TEST_TIMEOUT).expect("a datagram arrives")
    }

    pub(super) fn expect(&self, payload: impl AsRef<[u8]>) {
        let (received, _) = self.receive();
        assert!(received == payload.as_ref(), "{} bytes: {:?}", received.len(), &received[..received.len().min(80)]);
    }

    pub(super) fn expect_silence(&self) {
        let received = self.receive_within(SILENCE);
        assert!(received.is_none(), "{received:?}");
    }

    /// Sends `payload`, and returns the name of the backend that echoes it.
    pub(super) fn ask(&self, payload: &str) -> String {
        self.send(payload);
        name_in(&self.receive().0, payload)
    }

    /// The same, but sends again until there is a reply: a datagram to a backend that is gone is lost.
    pub(super) fn ask_until_answered(&self, payload: &str) -> String {
        let mut answer = None;
        until("a backend replies", || {
            self.send(payload);
            answer = self.receive_within(SILENCE).map(|(reply, _)| name_in(&reply, payload));
            answer.is_some()
        });
        answer.unwrap()
    }
}

/// The name in a reply of a backend with a name to `payload`.
fn name_in(reply: &[u8], payload: &str) -> String {
    let text = String::from_utf8_lossy(reply).into_owned();
    let name = text.strip_suffix(payload).and_then(|name| name.strip_suffix(": "));
    name.unwrap_or_else(|| panic!("{text:?} is no reply to {payload:?}")).to_owned()
}

/// Each of the clients asks, and gets a reply. Returns the names of the backends that reply.
pub(super) fn ask_all(clients: &[Peer], payload: &str) -> Vec<String> {
    clients.iter().map(|client| client.ask(payload)).collect()
}

/// Backends that reply with their names, `a`, `b` and so on.
pub(super) fn echoes(count: u8) -> Vec<UdpEcho> {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let name = |index| char::from(b'a' + index).to_string();
    (0..count).map(|index| UdpEcho::start_on(any_port, Some(&name(index))).unwrap()).collect()
}

/// Starts the program in front of `backends`.
pub(super) fn start(ctx: &Context, backends: &[SocketAddr], flags: &[&str]) -> Program {
    ctx.start(backends, &[&["--mode", "udp"], flags].concat())
}

/// The same in front of echoing backends.
pub(super) fn start_echoing(ctx: &Context, backends: &[UdpEcho], flags: &[&str]) -> Program {
    let addrs: Vec<_> = backends.iter().map(UdpEcho::addr).collect();
    start(ctx, &addrs, flags)
}

/// Waits until the number after `name` in the statistics is `count`.
pub(super) fn expect_statistic(program: &Program, name: &str, count: u64) {
    until(&format!("{name} {count}"), || statistic(program, name) == count);
}

/// How many flows each worker has.
pub(super) fn flows_per_worker(program: &Program, workers: usize) -> Vec<u64> {
    (0..workers).map(|worker| statistic(program, &format!("worker {worker}:"))).collect()
}
