//! The time that a worker itself computes: for a request, and at most without a pause.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    net::SocketAddr,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use common::http::{Exchange, LocalReply, Plaintext};
use connection_pooling::{EndedRequest, Filter, RequestInfo, WorkerFilter};
use integration_tests::{
    backend::{Backend, Conn},
    client::Client,
    wait::{TEST_TIMEOUT, ms, pause, until},
};
use load_balancer::dns_refresher::SystemResolver;

/// How long a request to `/block` blocks its worker.
const BLOCKED: Duration = ms(50);
/// How long a backend takes for `/slow`, or to fail. A balancer that took half of it itself would be very slow.
const SLOW: Duration = ms(400);

/// Blocks the worker, which no filter must do, and sends what it learns of each request.
#[derive(Debug, Clone)]
struct Blocker(Sender<(Exchange, Option<Duration>)>);

impl Filter for Blocker {
    type Worker = Self;

    fn for_worker(&self, _worker_id: usize) -> Self {
        self.clone()
    }
}

impl WorkerFilter for Blocker {
    type State = ();

    const OWN_TIME_SAMPLE: u32 = 1;

    fn on_request(&self, (): &mut (), request: &RequestInfo<'_>, _now: Instant) -> Result<(), LocalReply> {
        match request.path() {
            b"/block" => pause(BLOCKED),
            b"/refuse" => return Err(LocalReply::new(403, "forbidden")),
            _ => {}
        }
        Ok(())
    }

    fn on_end(&self, (): &mut (), ended: &EndedRequest<'_>) {
        self.0.send((*ended.exchange, ended.own_time)).unwrap();
    }
}

fn answer(conn: &mut Conn) {
    while let Ok(request) = conn.request() {
        match &*request.head.target {
            "/slow" => pause(SLOW),
            "/fail" => {
                pause(SLOW);
                return conn.reset();
            }
            _ => {}
        }
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    }
}

/// Runs `case` with the address of a balancer with these options, and what its filter sends.
fn with_blocker(
    args: &[&str],
    case: impl FnOnce(SocketAddr, &Receiver<(Exchange, Option<Duration>)>) + Send,
) -> Duration {
    let (sender, receiver) = channel();
    let server = support::server_with_filter(args, SystemResolver, ((), Blocker(sender)));
    support::running(&server, || Plaintext, move |address| case(address, &receiver));
    server.longest_polls().max().unwrap()
}

fn get(address: SocketAddr, target: &str) -> u16 {
    Client::connect(address).get(target).status()
}

#[test]
fn a_filter_that_blocks_its_worker_shows_as_the_longest_poll() {
    let backend = Backend::start(answer);
    let (sender, _receiver) = channel();
    let server = support::server_with_filter(&[&backend.addr().to_string()], SystemResolver, Blocker(sender));
    let longest = || server.longest_polls().max().unwrap();
    support::running(
        &server,
        || Plaintext,
        |address| {
            assert_eq!(get(address, "/slow"), 200);
            assert!(longest() < SLOW / 2, "waiting for a backend is no poll: {:?}", longest());
            assert_eq!(get(address, "/block"), 200);
            until("the blocked poll has ended", || longest() >= BLOCKED);
            pause(SLOW);
            assert_eq!(get(address, "/"), 200);
            assert!(longest() < SLOW, "nor is an idle worker: {:?}", longest());
        },
    );
    assert!(longest() >= BLOCKED, "it is the longest since the start: {:?}", longest());
}

#[test]
fn own_time_is_what_the_worker_computes_until_the_connection() {
    let backend = Backend::start(answer);
    let args = [&*backend.addr().to_string(), "--max-connections", "1"];
    with_blocker(&args, |address, ended| {
        let own_time = |target| {
            assert_eq!(get(address, target), 200, "{target}");
            ended.recv_timeout(TEST_TIMEOUT).unwrap().1.unwrap()
        };
        for target in ["/", "/", "/slow"] {
            let time = own_time(target);
            assert!(time > Duration::ZERO && time < SLOW / 2, "{target}: {time:?}");
        }
        let time = own_time("/block");
        assert!(time >= BLOCKED && time < SLOW, "a filter's time is the balancer's: {time:?}");
        // One of the two waits in the queue while the other one's response takes its time.
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert_eq!(get(address, "/slow"), 200));
            }
        });
        let both = [(); 2].map(|()| ended.recv_timeout(TEST_TIMEOUT).unwrap());
        let queued = both.iter().filter_map(|(exchange, _)| exchange.times.queued).max().unwrap();
        assert!(queued > SLOW / 2, "{queued:?}");
        for (_, time) in both {
            assert!(time.unwrap() > Duration::ZERO && time.unwrap() < SLOW / 2, "{time:?}");
        }
    });
}

#[test]
fn failed_attempts_and_refused_requests_add_no_own_time() {
    let (failing, good) = (Backend::start(answer), Backend::ok("a"));
    let args = [&*failing.addr().to_string(), &*good.addr().to_string(), "--retries", "1"];
    with_blocker(&args, |address, ended| {
        let next = || ended.recv_timeout(TEST_TIMEOUT).unwrap();
        let retried = (0..2).map(|_| {
            assert_eq!(get(address, "/fail"), 200);
            next()
        });
        let (exchange, time) = retried.max_by_key(|(exchange, _)| exchange.retries).unwrap();
        assert!(exchange.retries == 1 && exchange.times.total >= SLOW, "{exchange:?}");
        assert!(time.unwrap() < SLOW / 2, "{time:?}");
        assert_eq!(get(address, "/refuse"), 403);
        assert_eq!(next().1, None, "it had no connection");
    });
}
