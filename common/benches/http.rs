//! What the machine costs: `cargo bench -p common`.
//!
//! The wires are in memory and take everything, so that only the machine is measured.

use std::{
    hint::black_box,
    io::{self, ErrorKind, IoSlice},
    time::SystemTime,
};

use common::http::{ClientAddress, Forwarding, Head, Input, ProxyRole, Pumped, Relay, Wire, pump};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SCRATCH: usize = 64 * 1024;

const REQUEST: &[u8] =
    b"GET /search?q=load+balancer&page=2 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 \
(X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: \
gzip, br\r\nReferer: http://www.example.com/\r\nCookie: session=0123456789abcdef\r\nCache-Control: no-cache\r\nPragma: \
no-cache\r\nConnection: keep-alive\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: test\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: \
text/plain\r\nContent-Length: 100\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678\
901234567890123456789";

/// A socket that gives what it has, as far as one read takes it, and takes everything.
struct Instant<'a> {
    inbox: &'a [u8],
}

impl Wire for Instant<'_> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.inbox.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = self.inbox.len().min(into.len());
        into[..n].copy_from_slice(&self.inbox[..n]);
        self.inbox = &self.inbox[n..];
        Ok(n)
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(black_box(from).iter().map(|part| part.len()).sum())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an engine has one of, per core.
struct Core {
    forwarding: Forwarding,
    client: ClientAddress,
    head: Head,
    relay: Relay,
    scratch: Vec<u8>,
}

impl Core {
    fn new() -> Self {
        let forwarding = Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: "lb".into(),
            scheme: "http",
            trusted_proxies: Vec::new(),
            backend_keep_alive: true,
        };
        let peer = "192.0.2.1".parse().expect("an address");
        let client = ClientAddress::new(peer, "192.0.2.9:8080".parse().expect("an address"), &forwarding);
        Self { forwarding, client, head: Head::new(), relay: Relay::new(), scratch: vec![0; SCRATCH] }
    }

    fn begin(&mut self, request: &[u8]) -> usize {
        let length = self.head.read_request(black_box(request), &mut 0).expect("no refusal").expect("a whole head");
        let view = self.head.view(&request[..length]);
        self.relay.begin(view, &self.forwarding, &self.client, 0x1234_5678).expect("no loop");
        length
    }

    /// The request goes, the response comes.
    fn exchange(&mut self, request: &[u8], response: &[u8]) {
        let (mut client, mut backend) = (Instant { inbox: request }, Instant { inbox: b"" });
        let n = client.recv(&mut self.scratch).expect("a request");
        let scratch = std::mem::take(&mut self.scratch);
        let length = self.begin(&scratch[..n]);
        self.relay.attempt(true);
        if length < n {
            self.relay.from_client(Input::Bytes(&scratch[length..n])).expect("a body");
        }
        self.scratch = scratch;
        self.pump_until(&mut client, &mut backend, false);
        backend.inbox = response;
        self.pump_until(&mut client, &mut backend, true);
        black_box(self.relay.end());
    }

    fn pump_until(&mut self, client: &mut Instant<'_>, backend: &mut Instant<'_>, done: bool) {
        loop {
            match pump(&mut self.relay, client, backend, &mut self.scratch, || SystemTime::UNIX_EPOCH.into())
                .expect("no failure")
            {
                Pumped::Done => return,
                Pumped::Wait(_) if !done => return,
                Pumped::Yield => {}
                other @ Pumped::Wait(_) => panic!("{other:?} with all there"),
            }
        }
    }
}

fn head(c: &mut Criterion) {
    let mut core = Core::new();
    c.bench_function("head/read a request of 10 fields", |b| {
        b.iter(|| core.head.read_request(black_box(REQUEST), &mut 0).is_ok());
    });
    c.bench_function("head/read and write it for the backend", |b| b.iter(|| core.begin(REQUEST)));
}

fn chunked(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunked");
    for size in [1024, 16] {
        let mut body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..SCRATCH / size {
            body.extend_from_slice(format!("{size:x}\r\n{}\r\n", "x".repeat(size)).as_bytes());
        }
        body.extend_from_slice(b"0\r\n\r\n");
        let mut core = Core::new();
        group.throughput(Throughput::Bytes(SCRATCH as u64));
        group.bench_function(format!("64 KiB in chunks of {size}"), |b| b.iter(|| core.exchange(REQUEST, &body)));
    }
    group.finish();
}

fn exchange(c: &mut Criterion) {
    let mut core = Core::new();
    c.bench_function("exchange/small, whole", |b| b.iter(|| core.exchange(REQUEST, RESPONSE)));
}

criterion_group!(benches, head, chunked, exchange);
criterion_main!(benches);
