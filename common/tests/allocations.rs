//! In steady state a small exchange allocates nothing, and neither does a connect to a single address.

mod support;

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::clock::now;
use common::http::{AfterBackend, AfterClient, Head, Input, Pumped, Relay, Wire, pump};
use common::net::{AddressList, ConnectPlan, ConnectStep};
use integration_tests::allocations::{CountingAllocator, allocation_count};
use support::exchange::{REQUEST_ID, SCRATCH_BYTES, client_address, date, forwarding};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A socket with one message to read, which discards what is written and does not allocate.
struct StaticStream {
    input: &'static [u8],
    sent: usize,
}

impl Wire for StaticStream {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = self.input.len();
        into[..n].copy_from_slice(self.input);
        self.input = &[];
        Ok(n)
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let n = from.iter().map(|part| part.len()).sum();
        self.sent += n;
        Ok(n)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const GET: &[u8] = b"GET /search?q=load+balancer&page=2 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 \
(X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: \
gzip, br\r\nReferer: http://www.example.com/\r\nCookie: session=0123456789abcdef\r\nCache-Control: no-cache\r\nPragma: \
no-cache\r\nConnection: keep-alive\r\n\r\n";
const POST: &[u8] = b"POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n\
0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nServer: test\r\nTransfer-Encoding: chunked\r\n\r\n\
5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n";
const NOT_MODIFIED: &[u8] = b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n";

#[test]
fn steady_small_exchange_allocates_nothing() {
    let forwarding = forwarding(true);
    let address = client_address(&forwarding);
    let (mut head, mut relay, mut scratch) = (Head::new(), Relay::new(), vec![0; SCRATCH_BYTES]);
    let mut exchange = |request: &'static [u8], response: &'static [u8]| {
        let mut client = StaticStream { input: request, sent: 0 };
        let mut backend = StaticStream { input: b"", sent: 0 };
        let n = client.recv(&mut scratch).expect("a request");
        let length = head.read_request(&scratch[..n], &mut 0).expect("no error").expect("a complete head");
        relay.begin(head.view(&scratch[..length]), &forwarding, &address, REQUEST_ID).expect("no loop");
        if length < n {
            relay.from_client(Input::Bytes(&scratch[length..n])).expect("a body");
        }
        relay.attempt(true);
        assert!(matches!(pump(&mut relay, &mut client, &mut backend, &mut scratch, date), Ok(Pumped::Wait(_))));
        backend.input = response;
        assert!(matches!(pump(&mut relay, &mut client, &mut backend, &mut scratch, date), Ok(Pumped::Done)));
        let (_, after_client, after_backend) = relay.end();
        assert_eq!((after_client, after_backend), (AfterClient::KeepAlive, AfterBackend::Pool));
        assert!(backend.sent > 0 && client.sent > 0);
    };
    let kinds = [(GET, LENGTH), (GET, CHUNKED), (POST, LENGTH), (GET, NOT_MODIFIED)];
    for (request, response) in kinds {
        exchange(request, response);
    }
    for (request, response) in kinds {
        let before = allocation_count();
        for _ in 0..100 {
            exchange(request, response);
        }
        let allocated = allocation_count() - before;
        assert_eq!(allocated, 0, "in 100 × {}", response.escape_ascii());
    }
}

#[test]
fn a_connect_to_a_backend_with_one_address_allocates_nothing() {
    let list = Arc::new(AddressList::new([SocketAddr::from(([127, 0, 0, 1], 80))], now()));
    let before = allocation_count();
    for _ in 0..100 {
        let started = now();
        let mut plan = ConnectPlan::new(&list, started, started + Duration::from_secs(3));
        let ConnectStep::Start(address) = plan.next_step(started) else { panic!("an address is left") };
        plan.started(address.port());
        assert!(matches!(plan.next_step(started), ConnectStep::Wait(_)));
        assert_eq!(plan.succeed(0, started).socket, 80);
        assert_eq!(list.lookup_order()[..], [address]);
    }
    assert_eq!(allocation_count() - before, 0);
}

#[test]
fn the_counter_counts_allocations() {
    let before = allocation_count();
    drop(std::hint::black_box(vec![0u8; 100]));
    assert!(allocation_count() > before);
}
