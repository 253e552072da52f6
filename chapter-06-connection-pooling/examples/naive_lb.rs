//! A balancer on tokio that makes a connection for each request: correct, short, and what this chapter mends.
//!
//! It has chapter 2's machine, so it reads HTTP as strictly as all the others, and its clients stay connected. Its
//! backends' connections do not: `pooled: false` tells them `Connection: close`, and each answer ends one.
//!
//! ```console
//! $ cargo run -p chapter-06-connection-pooling --example naive_lb
//! $ curl -s -o /dev/null 'http://127.0.0.1:8080/?[1-300]'             # 300 requests over one connection
//! $ curl -s http://127.0.0.1:9001/count                               # and how many did this backend accept?
//! ```
//!
//! What is missing, besides a pool: deadlines, checks, another backend when one fails, notice of a client that resets
//! while its backend thinks, a lingering close, a drain.

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

// The chapter's own: a library would have to show it to everybody.
#[path = "../src/wire.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod wire;

const SCRATCH_BYTES: usize = 64 * 1024;

/// A balancer without a pool. Without backends it starts three of its own.
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
    let bundle = backends::start_bundled(3, 9001)?;
    outln!("{}", bundle.invitation(address));
    run(listener, bundle.addrs())
}

fn run(listener: std::net::TcpListener, backends: Vec<SocketAddr>) -> io::Result<()> {
    let identity = InstanceId::new();
    let via = identity.via_pseudonym("naive_lb");
    let lb = Rc::new(Naive {
        backends,
        turn: Cell::new(0),
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
        for serial in (0..=u32::MAX).cycle() {
            match listener.accept().await {
                Ok((stream, _)) => drop(spawn_local(serve(Rc::clone(&lb), stream, serial))),
                Err(error) if AcceptError::classify(&error) == AcceptError::Transient => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

/// What all clients share.
struct Naive {
    backends: Vec<SocketAddr>,
    turn: Cell<usize>,
    forwarding: Forwarding,
    identity: InstanceId,
    head: RefCell<Head>,
    /// Nothing stays in it between two polls.
    scratch: RefCell<Box<[u8]>>,
}

/// A client, from its first request to its last.
async fn serve(lb: Rc<Naive>, mut client: TcpStream, serial: u32) -> io::Result<()> {
    client.set_nodelay(true)?;
    let address = ClientAddress::new(client.peer_addr()?.ip(), client.local_addr()?, &lb.forwarding);
    let (mut inbox, mut relay) = (RequestBuffer::default(), Box::new(Relay::new()));
    for request in 1.. {
        let id = lb.identity.request_id(serial, request);
        let came = poll_fn(|context| poll_request(&lb, &mut client, &mut inbox, &mut relay, &address, id, context));
        match came.await {
            Ok(true) => {
                if let Err(error) = exchange(&lb, &mut client, &mut relay).await {
                    relay.fail(&error, wall_clock());
                }
            }
            Ok(false) => break,
            Err(error) => relay.reject_request(&error, wall_clock()),
        }
        // An answer of our own, if there is one.
        let owed = poll_fn(|context| poll_pump(&lb, &mut relay, &mut client, &mut NoWire, context));
        if let Err(error) = owed.await {
            relay.fail(&error, wall_clock()); // the client does not want it
        }
        if relay.end().1 != AfterClient::KeepAlive {
            break;
        }
        inbox.push_pipelined(relay.take_pipelined());
    }
    Ok(())
}

/// Reads until a request is there, and begins it. `false`: the client has left.
fn poll_request(
    lb: &Naive,
    client: &mut TcpStream,
    inbox: &mut RequestBuffer,
    relay: &mut Relay,
    address: &ClientAddress,
    id: u128,
    context: &mut Context<'_>,
) -> Poll<Result<bool, ProxyError>> {
    let refused = |refusal| ProxyError::invalid_request(refusal, Phase::RequestHead);
    let (head, scratch) = (&mut *lb.head.borrow_mut(), &mut *lb.scratch.borrow_mut());
    let mut came = 0;
    loop {
        if let Some(received) = inbox.read_request(&scratch[..came], head).map_err(refused)? {
            relay.begin(head.view(received.head), &lb.forwarding, address, id).map_err(refused)?;
            relay.push_client_bytes(received.rest)?;
            inbox.clear();
            return Poll::Ready(Ok(true));
        }
        came = match PolledStream::new(client, context).recv(scratch) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            Ok(0) | Err(_) => return Poll::Ready(Ok(false)),
            Ok(came) => came,
        };
    }
}

// ANCHOR: exchange
/// The backend whose turn it is, and a connection that nobody else will ever use.
async fn exchange(lb: &Naive, client: &mut TcpStream, relay: &mut Relay) -> Result<(), ProxyError> {
    let turn = lb.turn.replace(lb.turn.get().wrapping_add(1));
    let connected = TcpStream::connect(lb.backends[turn % lb.backends.len()]).await;
    let failed = |error| ProxyError::new(FailureKind::Connect, Side::Backend, Phase::Connect).with_source(error);
    let mut backend = connected.map_err(failed)?;
    let _ = backend.set_nodelay(true); // slower without, and as right
    relay.attempt(false);
    poll_fn(|context| {
        let mut far = PolledStream::new(&mut backend, context);
        poll_pump(lb, relay, client, &mut far, context)
    })
    .await
}
// ANCHOR_END: exchange

/// Moves what can be moved. Pending: both sockets have the task's waker.
fn poll_pump(
    lb: &Naive,
    relay: &mut Relay,
    client: &mut TcpStream,
    far: &mut impl Wire,
    context: &mut Context<'_>,
) -> Poll<Result<(), ProxyError>> {
    match pump(relay, &mut PolledStream::new(client, context), far, &mut lb.scratch.borrow_mut())? {
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
    fn each_request_costs_a_connection() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, bundle) = (listener.local_addr().unwrap(), backends::start_bundled(3, 0).unwrap());
        let backends = bundle.addrs();
        thread::spawn(move || super::run(listener, backends));
        let mut client = Client::connect(address);
        for _ in 0..30 {
            assert_eq!(client.get("/bytes/1000").status(), 200);
        }
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        client.send("hello");
        assert_eq!(client.response("POST").text(), "hello");
        let accepted: u64 = bundle.backends().iter().map(|backend| backend.counts().connections).sum();
        assert_eq!(accepted, 31);
    }
}
