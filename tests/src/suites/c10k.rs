//! Suite `c10k`: clients by the thousand, nearly all of them idle. They cost little, hold no upstream connections, and
//! do not delay active clients.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::num::NonZeroUsize;
use std::thread;

use common::net::{max_clients_for_fds, raise_fd_limit};
use socket2::{Domain, Socket, Type};

use crate::Context;
use crate::checker::Reader;
use crate::process::Program;
use crate::wait::TEST_TIMEOUT;

pub(super) mod fairness;
pub(super) mod files;
pub(super) mod idle;
pub(super) mod memory;

/// Threads of ours that connect and send requests. The program should be busy, not the test.
const THREADS: usize = 8;
/// Descriptors of this process that belong to no client: other cases run at the same time.
const FDS_OF_OTHER_CASES: u64 = 2_000;
/// Linux has 28,000 ephemeral ports per address; more clients need more addresses.
const CLIENTS_PER_ADDRESS: usize = 20_000;

/// How many clients the open file limit allows, here and in the program, with `more` still to come.
fn max_clients(more: usize) -> usize {
    let files = raise_fd_limit().unwrap();
    let ours = usize::try_from(files.saturating_sub(FDS_OF_OTHER_CASES)).unwrap_or(usize::MAX);
    // The program has the same limit, and needs two descriptors per client.
    ours.min(max_clients_for_fds(files, 0, None, false)).saturating_sub(more)
}

/// How many upstream connections may be open while all clients are idle: a few, where they are shared. Each worker
/// keeps as many as it had requests at a time, which is all that the threads send, to each of three backends.
fn max_idle_upstreams(ctx: &Context) -> u64 {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if ctx.upstreams_are_shared() { (3 * THREADS * workers) as u64 } else { 0 }
}

/// A client that stays connected. One descriptor and no buffer: there are thousands.
#[derive(Debug)]
struct IdleClient(TcpStream);

impl IdleClient {
    /// The client with this number.
    fn connect(addr: SocketAddr, number: usize) -> Self {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
        let host = u8::try_from(number / CLIENTS_PER_ADDRESS).expect("some millions");
        if host > 0 {
            socket.bind(&SocketAddr::from(SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, host), 0)).into()).unwrap();
        }
        let connected = socket.connect_timeout(&addr.into(), TEST_TIMEOUT);
        connected.unwrap_or_else(|error| panic!("client {number}: connect: {error}"));
        socket.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        Self(socket.into())
    }

    /// GET, and its whole response.
    fn get(&mut self) {
        use std::io::Write as _;
        self.0.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let mut reader = Reader::new(&self.0);
        let head = reader.response_head().unwrap_or_else(|error| panic!("no answer: {error:?}"));
        assert!(head.status == 200 && !head.says_close(), "{head:?}");
        reader.body(head.framing("GET").unwrap(), &mut |_| {}).unwrap();
        assert!(reader.buffered().is_empty(), "stray bytes");
    }
}

/// `count` clients, each of which has been served once.
fn idle_clients(program: &Program, count: usize) -> Vec<IdleClient> {
    let connect = |number| {
        let mut client = IdleClient::connect(program.addr(), number);
        client.get();
        client
    };
    let clients_of = |first: usize| (first..count).step_by(THREADS).map(connect).collect::<Vec<_>>();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || clients_of(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("every client is served")).collect()
    })
}

/// Every client sends another request.
fn request_all(clients: &mut [IdleClient]) {
    let part = clients.len().div_ceil(THREADS);
    thread::scope(|scope| {
        for part in clients.chunks_mut(part.max(1)) {
            scope.spawn(move || part.iter_mut().for_each(IdleClient::get));
        }
    });
}
