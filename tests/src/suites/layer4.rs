//! Suite `layer4`: TCP sessions. The case holds both ends: what one sends, the other receives, and nothing else.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    time::Instant,
};

use socket2::SockRef;

use crate::Context;
use crate::process::Program;
use crate::wait::{TEST_TIMEOUT, ms, pause, until};

pub(super) mod choosing;
pub(super) mod ends;
pub(super) mod load;
pub(super) mod log;
pub(super) mod program;
pub(super) mod relay;
pub(super) mod server_name;

/// A backend whose connections the case accepts itself.
#[derive(Debug)]
pub(super) struct Listening(TcpListener);

impl Listening {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection, if there is one within `within`.
    pub(super) fn accept_within(&self, within: std::time::Duration) -> Option<Peer> {
        let began = Instant::now();
        loop {
            match self.0.accept() {
                Ok((stream, _)) => return Some(Peer::new(stream)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("accept: {error}"),
            }
            if began.elapsed() >= within {
                return None;
            }
            pause(ms(1));
        }
    }

    pub(super) fn accept(&self) -> Peer {
        self.accept_within(TEST_TIMEOUT).expect("the balancer connects")
    }
}

/// One end of a session.
#[derive(Debug)]
pub(super) struct Peer(pub(super) TcpStream);

impl Peer {
    fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
        Self(stream)
    }

    /// A client of `program`.
    pub(super) fn connect(program: &Program) -> Self {
        Self::new(TcpStream::connect(program.addr()).unwrap())
    }

    /// A client whose receive buffer is small: soon nothing more fits in.
    pub(super) fn connect_with_small_buffer(program: &Program) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(&program.addr().into()).unwrap();
        Self::new(socket.into())
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends until nothing more is taken for 300 ms: every buffer up to the reader that does not read is full.
    pub(super) fn send_until_blocked(&mut self) -> usize {
        self.0.set_write_timeout(Some(ms(300))).unwrap();
        let (piece, mut sent) = (vec![7; 64 * 1024], 0);
        loop {
            match self.0.write(&piece) {
                Ok(length) => sent += length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("write: {error}"),
            }
        }
        self.0.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
        sent
    }

    pub(super) fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let mut received = vec![0; bytes.as_ref().len()];
        self.0.read_exact(&mut received).unwrap();
        assert_eq!(received, bytes.as_ref());
    }

    /// No more bytes, but a FIN.
    pub(super) fn expect_fin(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("a FIN, not a reset");
        assert!(rest.is_empty(), "{} more bytes", rest.len());
    }

    /// Whatever arrives before, the connection is reset.
    pub(super) fn expect_reset(&mut self) {
        let error = io::copy(&mut self.0, &mut io::sink()).expect_err("a reset, not a FIN");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }

    /// The connection is reset, though nothing is read from it.
    pub(super) fn expect_reset_without_reading(&mut self) {
        until("the connection is reset", || self.0.take_error().unwrap().is_some());
    }

    pub(super) fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    pub(super) fn reset(self) {
        SockRef::from(&self.0).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

/// A session: both ends, and the program between them.
pub(super) fn session(program: &Program, backend: &Listening) -> (Peer, Peer) {
    let client = Peer::connect(program);
    (client, backend.accept())
}

/// The number after `name ` in the statistics that the program prints now.
pub(super) fn statistic(program: &Program, name: &str) -> u64 {
    const HEADER: &str = "--- statistics";
    let printed = || program.stdout().matches(HEADER).count();
    let before = printed();
    // The next table is the mark that this one is whole, whatever its last line is.
    for tables in [before + 1, before + 2] {
        program.signal(nix::sys::signal::Signal::SIGUSR1);
        until("the statistics are printed", || printed() >= tables);
    }
    let text = program.stdout();
    let table = text.split(HEADER).nth(before + 1).unwrap_or_default();
    let line = table.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |number| number.split(' ').next().unwrap().parse().unwrap())
}

/// Waits until `count` sessions have ended with `end`.
pub(super) fn expect_ended(program: &Program, end: &str, count: u64) {
    until(&format!("{count} sessions have ended with {end}"), || statistic(program, &format!("ended {end}")) == count);
}

/// Waits until `count` clients have been accepted.
pub(super) fn wait_until_accepted(program: &Program, count: u64) {
    until("the client is accepted", || statistic(program, "clients") == count);
}

/// Waits until no more connections are accepted. Those that are until then end at once.
pub(super) fn wait_until_closed(program: &Program) {
    until("no more connections are accepted", || {
        TcpStream::connect(program.addr()).map(|stream| Peer::new(stream).reset()).is_err()
    });
}

/// Starts the program in front of `backends`.
pub(super) fn start(ctx: &Context, backends: &[&Listening], flags: &[&str]) -> Program {
    let addrs: Vec<_> = backends.iter().map(|backend| backend.addr()).collect();
    ctx.start(&addrs, flags)
}
