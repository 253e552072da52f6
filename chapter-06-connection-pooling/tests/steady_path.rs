//! A request on the steady path costs the core no memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroUsize,
    sync::Arc,
    thread,
};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::{cli::ServeArgs, net::Listeners, shutdown::Shutdown};
use connection_pooling::{Server, args::PoolArgs, run};
use integration_tests::allocations::{Counting, Tally, watch_this_thread};
use load_balancer::names::SystemResolver;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn server(backend: SocketAddr) -> Arc<Server> {
    let words = ["pooled_lb", &backend.to_string(), "--check", "off"].map(str::to_owned);
    let Args { balance, pool, serve } = Args::parse_from(words);
    let config = balance.config(serve, 10, None, false).unwrap();
    let balancer = Balancer::new("pooled_lb", config, SystemResolver).unwrap();
    Arc::new(Server::new(balancer, pool.config(1_024), NonZeroUsize::MIN))
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Answers whatever comes, a request a segment.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.read(&mut [0; 4096]).unwrap() > 0 {
            stream.write_all(RESPONSE).unwrap();
        }
    });
    address
}

fn ask(stream: &mut TcpStream, times: usize) {
    for _ in 0..times {
        stream.write_all(REQUEST).unwrap();
        let mut response = [0; RESPONSE.len()];
        stream.read_exact(&mut response).unwrap();
        assert_eq!(response, RESPONSE);
    }
}

#[test]
fn a_thousand_requests_allocate_nothing() {
    static CORE: Tally = Tally::new();
    let server = server(backend());
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), NonZeroUsize::MIN).unwrap();
    let (address, shutdown) = (listeners.address(), Shutdown::new().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            watch_this_thread(&CORE);
            run(&server, listeners, &shutdown).unwrap();
        });
        let mut client = TcpStream::connect(address).unwrap();
        ask(&mut client, 100);
        let before = CORE.count();
        assert!(before > 0, "the core is not watched");
        ask(&mut client, 1_000);
        let allocated = CORE.count() - before;
        shutdown.now();
        assert_eq!(allocated, 0, "allocations in 1,000 requests");
    });
}
