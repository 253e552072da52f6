//! Other ways to carry bytes than the chapter's own: a layer over the client's socket, and bodies that do not pass through
//! the machine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "support/veil.rs"]
mod veil;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Context,
    time::Duration,
};

use backends::BackendConfig;
use common::http::{Layer, Plain, Side};
use connection_pooling::{
    Server,
    bulk::{Bulk, Carried},
    transport::Transport,
};
use integration_tests::{backend::Backend, client::Client};
use load_balancer::names::SystemResolver;
use tokio::net::TcpStream;

use crate::veil::{Veil, veiling};

/// A body of fewer bytes is not worth it.
const AT_LEAST: u64 = 64 * 1024;
/// As a pipe holds.
const PIPE: usize = 16 * 1024;

/// Moves bodies through a buffer that is no part of the machine, and counts.
#[derive(Debug, Clone, Default)]
struct Carriers {
    bytes: Arc<AtomicU64>,
    have_run_out: bool,
}

impl Bulk for Carriers {
    type Carrier = Vec<u8>;

    fn at_least(&self) -> Option<u64> {
        Some(AT_LEAST)
    }

    fn carrier(&self) -> io::Result<Vec<u8>> {
        if self.have_run_out { Err(io::ErrorKind::QuotaExceeded.into()) } else { Ok(Vec::new()) }
    }

    fn carry(
        &self,
        carrier: &mut Vec<u8>,
        backend: &TcpStream,
        client: &TcpStream,
        left: Option<u64>,
        context: &mut Context<'_>,
    ) -> Carried {
        loop {
            let moved = if carrier.is_empty() {
                if backend.poll_read_ready(context).is_pending() {
                    return Carried::Waits(Side::Backend);
                }
                carrier.resize(left.map_or(PIPE, |left| PIPE.min(usize::try_from(left).unwrap())), 0);
                let read = backend.try_read(carrier);
                carrier.truncate(*read.as_ref().unwrap_or(&0));
                read.map(|read| (read == 0).then_some(Carried::End)).map_err(|error| (Side::Backend, error))
            } else {
                if client.poll_write_ready(context).is_pending() {
                    return Carried::Waits(Side::Client);
                }
                let sent = client.try_write(carrier);
                carrier.drain(..*sent.as_ref().unwrap_or(&0));
                sent.map(|sent| Some(Carried::Bytes(sent as u64))).map_err(|error| (Side::Client, error))
            };
            match moved {
                Ok(None) => {}
                Err((_, error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err((side, error)) => return Carried::Failed(side, error),
                Ok(Some(came)) => {
                    if let Carried::Bytes(bytes) = came {
                        self.bytes.fetch_add(bytes, Relaxed);
                    }
                    return came;
                }
            }
        }
    }
}

/// Over each client's socket an `L`, and bodies by carriers.
#[derive(Debug)]
struct Other<L> {
    carriers: Carriers,
    layer: fn() -> L,
}

impl<L: Layer> Transport for Other<L> {
    type Layer = L;
    type Bulk = Carriers;

    fn layer(&self) -> L {
        (self.layer)()
    }

    fn bulk(&self) -> &Carriers {
        &self.carriers
    }
}

/// Runs `case` with the address of a server before `backend` whose bytes are carried so.
fn serve<L: Layer>(
    backend: SocketAddr,
    layer: fn() -> L,
    carriers: &Carriers,
    case: impl FnOnce(SocketAddr, &Server) + Send,
) {
    let server = support::server(&[&backend.to_string()], SystemResolver);
    let transport = || Other { carriers: carriers.clone(), layer };
    support::running(&server, transport, |address| case(address, &server));
}

fn bundled() -> backends::Backend {
    backends::Backend::start(BackendConfig::default()).unwrap()
}

/// Answers with this head and so many bytes, and closes.
fn saying(head: &str, length: usize) -> Backend {
    Backend::answering([head.as_bytes(), &backends::pattern(length)].concat())
}

/// Sends a request whole, and a body.
fn post(client: &mut Client, target: &str, body: &[u8]) {
    client.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()));
    client.send(body);
}

#[test]
fn a_layer_is_between_the_client_and_all_that_the_machine_reads_and_says() {
    let (backend, carriers) = (bundled(), Carriers::default());
    serve(backend.addr(), Veil::default, &carriers, |address, _| {
        let mut client = Client::connect(veiling(address));
        let body = backends::pattern(3_000_000);
        post(&mut client, "/echo", &body);
        assert!(client.response("POST").body == body);
        // Ahead of their turn, which is heard while an answer is on its way, and then FIN.
        let mut client = Client::connect(veiling(address));
        client.request("GET", "/delay/50", "");
        client.request("GET", "/bytes/300000", "");
        client.half_close();
        assert_eq!(client.response("GET").status(), 200);
        assert!(client.response("GET").body == backends::pattern(300_000));
        client.expect_closed();
        let mut refused = Client::connect(veiling(address));
        refused.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(refused.response("GET").status(), 400);
        refused.expect_closed();
    });
    assert_eq!(carriers.bytes.load(Relaxed), 0, "under a layer, bytes were moved past it");
}

#[test]
fn a_body_is_carried_to_its_last_byte_and_the_connections_serve_on() {
    let (backend, carriers) = (bundled(), Carriers::default());
    serve(
        backend.addr(),
        || Plain,
        &carriers,
        |address, server| {
            let mut client = Client::connect_narrow(address, 4096);
            for length in [5_000_000, 200_000] {
                let before = carriers.bytes.load(Relaxed);
                assert!(client.get(&format!("/bytes/{length}")).body == backends::pattern(length));
                let carried = carriers.bytes.load(Relaxed) - before;
                assert!(carried >= length as u64 - AT_LEAST && carried <= length as u64, "{carried} of {length}");
            }
            let before = carriers.bytes.load(Relaxed);
            assert!(client.get("/bytes/1000").body == backends::pattern(1_000));
            assert!(client.get("/chunked/300000").body == backends::pattern(300_000));
            assert_eq!(carriers.bytes.load(Relaxed), before, "a short body, or one with its framing, was carried");
            // While the client's next request waits its turn, and after it has ended its half.
            client.request("GET", "/bytes/2000000", "");
            client.request("GET", "/bytes/100000", "");
            client.half_close();
            for length in [2_000_000, 100_000] {
                assert!(client.response("GET").body == backends::pattern(length));
            }
            client.expect_closed();
            assert!(carriers.bytes.load(Relaxed) > before + 2_000_000 - AT_LEAST);
            assert_eq!(server.pool().tally.misses, 1, "a connection was not used again");
        },
    );
}

#[test]
fn a_body_without_an_end_of_its_own_is_carried_until_the_backend_closes() {
    let backend = saying("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 1_000_000);
    let carriers = Carriers::default();
    serve(
        backend.addr(),
        || Plain,
        &carriers,
        |address, _| {
            let mut client = Client::connect(address);
            client.send("GET / HTTP/1.0\r\nHost: test\r\n\r\n");
            assert!(client.response("GET").body == backends::pattern(1_000_000));
            client.expect_closed();
        },
    );
    assert!(carriers.bytes.load(Relaxed) > 500_000);
}

#[test]
fn a_body_that_breaks_off_while_it_is_carried_is_not_made_whole() {
    let backend = saying("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", 999_999);
    let carriers = Carriers::default();
    serve(
        backend.addr(),
        || Plain,
        &carriers,
        |address, server| {
            let mut client = Client::connect(address);
            client.request("GET", "/", "");
            client.response_head("GET").unwrap();
            let body = client.rest(Duration::from_secs(10)).expect("the connection ends with the body");
            assert!(body == backends::pattern(999_999));
            assert_eq!(server.pool().tally.hits, 0);
        },
    );
    assert!(carriers.bytes.load(Relaxed) > 500_000);
}

#[test]
fn a_client_that_goes_away_while_its_answer_is_carried_takes_nobody_with_it() {
    let (backend, carriers) = (bundled(), Carriers::default());
    serve(
        backend.addr(),
        || Plain,
        &carriers,
        |address, _| {
            let mut client = Client::connect_narrow(address, 4096);
            client.request("GET", "/bytes/50000000", "");
            client.read_exact(300_000);
            client.reset();
            let mut next = Client::connect(address);
            assert!(next.get("/bytes/200000").body == backends::pattern(200_000));
            integration_tests::wait::until("the backend is rid of the one that went", || backend.in_flight() == 0);
        },
    );
}

#[test]
fn a_body_for_which_no_carrier_is_left_goes_through_the_machine() {
    let (backend, carriers) = (bundled(), Carriers { have_run_out: true, ..Carriers::default() });
    serve(
        backend.addr(),
        || Plain,
        &carriers,
        |address, _| {
            let mut client = Client::connect(address);
            for _ in 0..2 {
                assert!(client.get("/bytes/500000").body == backends::pattern(500_000));
            }
        },
    );
    assert_eq!(carriers.bytes.load(Relaxed), 0);
}
