//! Steady state: further requests on a connection that is already in use allocate nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::thread;

use common::net::Listeners;
use common::shutdown::Shutdown;

use crate::allocations::{AllocationCounter, count_this_thread};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
/// One with a Date, and one that gets it from the balancer.
const RESPONSES: [&[u8]; 2] = [
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
];
/// Warm-up, until every buffer has its final size.
const WARM_UP_REQUESTS: usize = 150;
const COUNTED_REQUESTS: usize = 1_000;

/// A backend that answers each request on its one connection; each request comes in one segment.
pub fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for response in RESPONSES.iter().cycle() {
            if stream.read(&mut [0; 4096]).unwrap() == 0 {
                return;
            }
            stream.write_all(response).unwrap();
        }
    });
    address
}

fn send_request(stream: &mut TcpStream) {
    stream.write_all(REQUEST).unwrap();
    let (mut buffer, mut length) = ([0; 256], 0);
    while !buffer[..length].ends_with(b"\r\n\r\nhello") {
        let n = stream.read(&mut buffer[length..]).unwrap();
        assert_ne!(n, 0, "{}", buffer[..length].escape_ascii());
        length += n;
    }
    let response = &buffer[..length];
    let dates = response.windows(8).filter(|window| window == b"\r\nDate: ").count();
    assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n") && dates == 1, "{}", response.escape_ascii());
}

/// Asserts that the thread on which `run` serves a [`backend`]'s clients allocates nothing in a thousand requests.
/// `counter` is the caller's, whose global allocator is [`CountingAllocator`](crate::allocations::CountingAllocator).
pub fn assert_allocates_nothing(counter: &'static AllocationCounter, run: impl FnOnce(Listeners, &Shutdown) + Send) {
    assert_allocates_nothing_for(counter, send_request, run);
}

/// The same for requests of another kind: `request` sends one, and reads its response, without allocating itself.
pub fn assert_allocates_nothing_for(
    counter: &'static AllocationCounter,
    request: impl Fn(&mut TcpStream),
    run: impl FnOnce(Listeners, &Shutdown) + Send,
) {
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), NonZeroUsize::MIN).unwrap();
    let (address, shutdown) = (listeners.local_address(), Shutdown::new().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            count_this_thread(counter);
            run(listeners, &shutdown);
        });
        let _ended = StopOnDrop(&shutdown);
        let mut client = TcpStream::connect(address).unwrap();
        (0..WARM_UP_REQUESTS).for_each(|_| request(&mut client));
        let before = counter.count();
        (0..COUNTED_REQUESTS).for_each(|_| request(&mut client));
        let allocated = counter.count() - before;
        assert!(before > 0, "the thread is not watched");
        assert_eq!(allocated, 0, "allocations in {COUNTED_REQUESTS} requests");
    });
}

/// Requests shutdown when dropped, also by a panic.
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a Shutdown);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
