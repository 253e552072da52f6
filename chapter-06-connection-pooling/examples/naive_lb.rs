//! A balancer on tokio that opens a connection per request: correct, short, and slow, which this chapter improves.
//!
//! It uses chapter 2's relay, so it parses HTTP as strictly as all the others, and its clients stay connected. Its
//! connections to backends do not: `backend_keep_alive: false` sends `Connection: close`, and each response ends one.
//!
//! ```console
//! $ cargo run -p chapter-06-connection-pooling --example naive_lb
//! $ curl -s -o /dev/null 'http://127.0.0.1:8080/?[1-300]'             # 300 requests over one connection
//! $ curl -s http://127.0.0.1:9001/count                               # and how many did this backend accept?
//! ```
//!
//! What is missing, besides a pool: deadlines, health checks, a retry on another backend, detection of a client's reset
//! while its backend works, a lingering close, a drain.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, ErrorKind},
    net::SocketAddr,
    process::ExitCode,
    rc::Rc,
    task::{Context, Poll},
};

use clap::Parser;
use common::{
    cli,
    clock::wall_clock,
    http::{
        AfterClient, ClientAddress, FailureKind, Forwarding, Head, NoWire, Phase, ProxyError, ProxyRole, Pumped, Relay,
        RequestBuffer, Side, Wire, pump,
    },
    instance_id::InstanceId,
    net::AcceptError,
    outln,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    task::spawn_local,
};

use crate::wire::PolledStream;

// The chapter's own module, which the library does not export.
#[path = "../src/wire.rs"]
#[allow(dead_code, reason = "the example uses only a part")]
mod wire;

const SCRATCH_BYTES: usize = 64 * 1024;

/// A load balancer without a pool. Without backends it starts three bundled ones.
#[derive(Debug, Parser)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// Addresses of the backends
    backends: Vec<SocketAddr>,
}

fn main() -> ExitCode {
    cli::exit_code(start(cli::parse()))
}

fn start(args: Args) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", args.port))?;
    let address = listener.local_addr()?;
    outln!("listening on {address}");
    if !args.backends.is_empty() {
        return run(listener, args.backends);
    }
    let bundled_backends = backends::start_bundled(3, 9001)?;
    outln!("{}", bundled_backends.usage_hint(address));
    run(listener, bundled_backends.addrs())
}

fn run(listener: std::net::TcpListener, backends: Vec<SocketAddr>) -> io::Result<()> {
    let identity = InstanceId::new();
    let via = identity.via_pseudonym("naive_lb");
    let lb = Rc::new(Naive {
        backends,
        round_robin: Cell::new(0),
        forwarding: Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: via,
            scheme: "http",
            trusted_proxies: Vec::new(),
            backend_keep_alive: false,
        },
        identity,
        head: RefCell::default(),
        scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
    });
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        for connection_id in (0..=u32::MAX).cycle() {
            match listener.accept().await {
                Ok((stream, _)) => drop(spawn_local(serve(Rc::clone(&lb), stream, connection_id))),
                Err(error) if AcceptError::classify(&error) == AcceptError::Transient => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

/// The state that all clients share.
struct Naive {
    backends: Vec<SocketAddr>,
    round_robin: Cell<usize>,
    forwarding: Forwarding,
    identity: InstanceId,
    head: RefCell<Head>,
    /// No bytes stay in it between two polls.
    scratch: RefCell<Box<[u8]>>,
}

/// Serves a client, from its first request to its last.
async fn serve(lb: Rc<Naive>, mut client: TcpStream, connection_id: u32) -> io::Result<()> {
    client.set_nodelay(true)?;
    let address = ClientAddress::new(client.peer_addr()?.ip(), client.local_addr()?, &lb.forwarding);
    let (mut request_buffer, mut relay) = (RequestBuffer::default(), Box::new(Relay::new()));
    for request in 1.. {
        let id = lb.identity.request_id(connection_id, request);
        let begun =
            poll_fn(|context| poll_request(&lb, &mut client, &mut request_buffer, &mut relay, &address, id, context));
        match begun.await {
            Ok(true) => {
                if let Err(error) = exchange(&lb, &mut client, &mut relay).await {
                    relay.fail(&error, wall_clock());
                }
            }
            Ok(false) => break,
            Err(error) => relay.reject_request(&error, wall_clock()),
        }
        // Send the local reply, if there is one.
        let sent = poll_fn(|context| poll_pump(&lb, &mut relay, &mut client, &mut NoWire, context));
        if let Err(error) = sent.await {
            relay.fail(&error, wall_clock()); // the client does not take it
        }
        if relay.end().1 != AfterClient::KeepAlive {
            break;
        }
        request_buffer.push_pipelined(relay.take_pipelined());
    }
    Ok(())
}

/// Reads until a request head is complete, and begins the request. `false`: the client has closed the connection.
fn poll_request(
    lb: &Naive,
    client: &mut TcpStream,
    request_buffer: &mut RequestBuffer,
    relay: &mut Relay,
    address: &ClientAddress,
    id: u128,
    context: &mut Context<'_>,
) -> Poll<Result<bool, ProxyError>> {
    let invalid = |protocol_error| ProxyError::invalid_request(protocol_error, Phase::RequestHead);
    let (head, scratch) = (&mut *lb.head.borrow_mut(), &mut *lb.scratch.borrow_mut());
    let mut new_bytes = 0;
    loop {
        if let Some(received) = request_buffer.read_request(&scratch[..new_bytes], head).map_err(invalid)? {
            relay.begin(head.view(received.head), &lb.forwarding, address, id).map_err(invalid)?;
            relay.push_client_bytes(received.rest)?;
            request_buffer.clear();
            return Poll::Ready(Ok(true));
        }
        new_bytes = match PolledStream::new(client, context).recv(scratch) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            Ok(0) | Err(_) => return Poll::Ready(Ok(false)),
            Ok(length) => length,
        };
    }
}

// ANCHOR: exchange
/// Picks a backend by round robin, and opens a connection that no other request will use.
async fn exchange(lb: &Naive, client: &mut TcpStream, relay: &mut Relay) -> Result<(), ProxyError> {
    let pick = lb.round_robin.replace(lb.round_robin.get().wrapping_add(1));
    let connected = TcpStream::connect(lb.backends[pick % lb.backends.len()]).await;
    let failed = |error| ProxyError::new(FailureKind::Connect, Side::Backend, Phase::Connect).with_source(error);
    let mut backend = connected.map_err(failed)?;
    let _ = backend.set_nodelay(true); // without it, only slower
    relay.attempt(false);
    poll_fn(|context| {
        let mut upstream_wire = PolledStream::new(&mut backend, context);
        poll_pump(lb, relay, client, &mut upstream_wire, context)
    })
    .await
}
// ANCHOR_END: exchange

/// Moves the bytes that can be moved now. Pending: both sockets have the task's waker.
fn poll_pump(
    lb: &Naive,
    relay: &mut Relay,
    client: &mut TcpStream,
    upstream_wire: &mut impl Wire,
    context: &mut Context<'_>,
) -> Poll<Result<(), ProxyError>> {
    let (mut client_wire, scratch) = (PolledStream::new(client, context), &mut *lb.scratch.borrow_mut());
    match pump(relay, &mut client_wire, upstream_wire, scratch, || wall_clock().into())? {
        Pumped::Done => return Poll::Ready(Ok(())),
        Pumped::Wait(_) => {}
        Pumped::Yield => context.waker().wake_by_ref(),
    }
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::thread;

    use integration_tests::client::Client;

    #[test]
    fn each_request_opens_a_connection() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, bundled_backends) = (listener.local_addr().unwrap(), backends::start_bundled(3, 0).unwrap());
        let backends = bundled_backends.addrs();
        thread::spawn(move || super::run(listener, backends));
        let mut client = Client::connect(address);
        for _ in 0..30 {
            assert_eq!(client.get("/bytes/1000").status(), 200);
        }
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        client.send("hello");
        assert_eq!(client.response("POST").text(), "hello");
        let accepted: u64 = bundled_backends.backends().iter().map(|backend| backend.counts().connections).sum();
        assert_eq!(accepted, 31);
    }
}
