//! Filters: each request passes all of them, and ends exactly once, however it ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

use common::http::{
    Direction, Exchange, HeaderEdits, LocalReply, LocalReplyBody, Phase, Plaintext, Reservation, ResponseInfo, Side,
    Throttle,
};
use connection_pooling::{
    AttemptRecord, ClientBytes, ConnectionPermit, ConnectionRefused, EndedRequest, Filter, RequestId, RequestInfo,
    WorkerFilter,
};
use integration_tests::{
    backend::{Backend, Conn},
    client::{Client, Response},
    wait::{TEST_TIMEOUT, until},
};
use load_balancer::dns_refresher::SystemResolver;

const REFUSED: LocalReply = LocalReply::new(429, "limited").with_retry_after(7).with_body(LocalReplyBody::Problem);

/// Refuses every second request, with headers of its own.
#[derive(Debug)]
struct Refuser;

#[derive(Debug, Default)]
struct RefuserWorker(Cell<usize>);

impl Filter for Refuser {
    type Worker = RefuserWorker;

    fn for_worker(&self, _worker_id: usize) -> RefuserWorker {
        RefuserWorker::default()
    }
}

impl WorkerFilter for RefuserWorker {
    /// Whether this request is refused.
    type State = bool;

    fn on_request(&self, refused: &mut bool, _request: &RequestInfo<'_>, _now: Instant) -> Result<(), LocalReply> {
        *refused = self.0.replace(self.0.get() + 1) % 2 == 1;
        if *refused { Err(REFUSED) } else { Ok(()) }
    }

    fn on_response_head(&self, refused: &mut bool, response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {
        if *refused {
            assert_eq!(response.local_reply, Some(&REFUSED));
            edits.add("X-Refused", format_args!("a value\r\nX-Forged: 1"));
        }
    }
}

/// Records what happens to each request. Adds a header to each response, and removes the backend's `X-Secret`.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<(Mutex<Vec<Ended>>, Condvar)>);

/// A request that has ended.
#[derive(Debug)]
struct Ended {
    calls: Vec<&'static str>,
    attempts: Vec<AttemptRecord>,
    exchange: Exchange,
    client_bytes: ClientBytes,
}

#[derive(Debug, Default)]
struct Calls {
    calls: Vec<&'static str>,
    attempts: Vec<AttemptRecord>,
}

impl Filter for Recorder {
    type Worker = Self;

    fn for_worker(&self, _worker_id: usize) -> Self {
        self.clone()
    }
}

impl WorkerFilter for Recorder {
    type State = Calls;

    fn on_request(&self, state: &mut Calls, request: &RequestInfo<'_>, _now: Instant) -> Result<(), LocalReply> {
        assert!(state.calls.is_empty(), "the state is cleared: {state:?}");
        assert!(request.group.is_some() && request.client.is_loopback());
        assert!(matches!(request.request_id(), RequestId::Own(id) if id > u32::MAX.into()));
        state.calls.push("request");
        Ok(())
    }

    fn on_response_head(&self, state: &mut Calls, response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {
        state.calls.push("response");
        edits.add("X-Recorded", response.status);
        if response.header_values("x-secret").next().is_some() {
            edits.remove("X-Secret");
        }
        assert!(response.status != 418, "this test's status for a filter that panics");
    }

    fn on_attempt(&self, state: &mut Calls, attempt: &AttemptRecord) {
        state.calls.push("attempt");
        state.attempts.push(*attempt);
    }

    fn on_end(&self, state: &mut Calls, ended: &EndedRequest<'_>) {
        let Calls { calls, attempts } = std::mem::take(state);
        assert!(ended.peer.is_loopback() && ended.started_at.elapsed() >= ended.exchange.times.total);
        let ended = Ended { calls, attempts, exchange: *ended.exchange, client_bytes: ended.client_bytes };
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        self.0.1.notify_all();
        state.calls.push("end"); // two ends without a reset between them would show
    }

    fn reset(&self, state: &mut Calls) {
        assert_eq!(state.calls, ["end"], "a request that ends has ended once");
        state.calls.clear();
    }
}

impl Recorder {
    /// Waits until `count` requests have ended, and returns the last of them.
    fn last_of(&self, count: usize) -> Ended {
        let (ended, one_more) = &*self.0;
        let is_awaited = |ended: &mut Vec<Ended>| ended.len() < count;
        let (mut ended, _) = one_more.wait_timeout_while(ended.lock().unwrap(), TEST_TIMEOUT, is_awaited).unwrap();
        assert_eq!(ended.len(), count, "ends of {count} requests; the last: {:?}", ended.last());
        let last = ended.pop().unwrap();
        ended.push(Ended { calls: last.calls.clone(), attempts: last.attempts.clone(), ..last });
        last
    }

    /// Waits until `count` requests have ended, and returns the bytes of the last two.
    fn last_two_of(&self, count: usize) -> [ClientBytes; 2] {
        self.last_of(count);
        let ended = self.0.0.lock().unwrap();
        [2, 1].map(|back| ended[count - back].client_bytes)
    }
}

/// The requests of one test, of which the server refuses every second.
struct Session<'a> {
    address: SocketAddr,
    recorder: &'a Recorder,
    /// What the recorder is called for when a request is refused.
    calls_if_refused: &'static [&'static str],
    /// Requests with a valid head, which the refuser counts.
    valid: Cell<usize>,
    /// All of them.
    sent: Cell<usize>,
}

impl Session<'_> {
    /// Sends `head` and what belongs to it, and returns the response.
    fn send(&self, client: &mut Client, method: &str, bytes: &[u8]) -> Response {
        client.send(bytes);
        self.count_valid(1);
        let response = client.response(method);
        assert_recorded(&response);
        response
    }

    fn count_valid(&self, requests: usize) {
        self.valid.set(self.valid.get() + requests);
        self.sent.set(self.sent.get() + requests);
    }

    fn next_is_refused(&self) -> bool {
        self.valid.get() % 2 == 1
    }

    /// As [`send`](Self::send), for a request that is refused: a request before it is not, if need be.
    fn send_refused(&self, client: &mut Client, method: &str, bytes: &[u8]) -> Response {
        if !self.next_is_refused() {
            assert_eq!(self.get(client, "/").status(), 200);
        }
        let response = self.send(client, method, bytes);
        assert_refused(&response);
        let ended = self.ended();
        assert_eq!((ended.exchange.end_reason, ended.exchange.backend), ("limited", None));
        assert!(ended.attempts.is_empty());
        response
    }

    /// As [`send`](Self::send), for a request that is not refused: a request before it is, if need be.
    fn send_admitted(&self, client: &mut Client, method: &str, bytes: &[u8]) -> Response {
        if self.next_is_refused() {
            assert_eq!(self.get(client, "/").status(), 429);
        }
        self.send(client, method, bytes)
    }

    fn get(&self, client: &mut Client, target: &str) -> Response {
        self.send(client, "GET", &get(target))
    }

    /// The record of the request that was sent last.
    fn ended(&self) -> Ended {
        self.recorder.last_of(self.sent.get())
    }
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn assert_recorded(response: &Response) {
    assert_eq!(response.fields().all("X-Recorded"), [response.status().to_string()], "{:?}", response.head);
    assert!(response.fields().all("X-Secret").is_empty());
    assert!(response.interim.iter().all(|head| head.fields.all("X-Recorded").is_empty()), "{:?}", response.interim);
}

fn assert_refused(response: &Response) {
    assert_eq!(response.status(), 429);
    assert_eq!(response.fields().all("X-Refused"), ["a value  X-Forged: 1"]);
    assert_eq!(response.fields().all("Retry-After"), ["7"]);
    assert_eq!(response.fields().all("Content-Type"), ["application/problem+json"]);
}

/// What the backends of a test share.
#[derive(Debug, Default)]
struct ScriptState {
    /// Close the next connection that asks for `/die`.
    dies: AtomicBool,
    /// A request for `/hang` has arrived.
    hangs: AtomicBool,
}

/// A backend whose connections answer by the target.
fn script(conn: &mut Conn, state: &ScriptState) {
    while let Ok(request) = conn.request() {
        let sent = match request.head.target.as_str() {
            "/early" => {
                conn.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
            "/upgrade" => {
                conn.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
                return conn.close();
            }
            "/die" if state.dies.swap(false, SeqCst) => return conn.close(),
            "/cut" => {
                conn.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
                return conn.close();
            }
            "/hang" => {
                state.hangs.store(true, SeqCst);
                return conn.read_until_closed();
            }
            "/teapot" => conn.write("HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"),
            _ => conn.write("HTTP/1.1 200 OK\r\nX-Secret: 1\r\nContent-Length: 2\r\n\r\nok"),
        };
        if !sent {
            return;
        }
    }
}

fn every_request_ends_once(recorder: &Recorder, calls_if_refused: &'static [&'static str], filter: impl Filter) {
    let state = Arc::new(ScriptState::default());
    let backends = [(); 2].map(|()| {
        let state = Arc::clone(&state);
        Backend::start(move |conn| script(conn, &state))
    });
    let names = backends.each_ref().map(|backend| backend.addr().to_string());
    let args: Vec<&str> = names.iter().map(String::as_str).chain(["--breaker", "100"]).collect();
    let server = support::server_with_filter(&args, SystemResolver, filter);
    support::running(
        &server,
        || common::http::Plaintext,
        |address| {
            let session = Session { address, recorder, calls_if_refused, valid: Cell::new(0), sent: Cell::new(0) };
            plain_requests(&session);
            refused_bodies(&session);
            pipelined_requests(&session);
            bytes_of_each_request(&session);
            invalid_heads(&session);
            interim_and_switched(&session);
            retries(&session, &state.dies);
            clients_that_leave(&session, &state.hangs);
            panics(&session);
        },
    );
}

fn plain_requests(session: &Session<'_>) {
    let client = &mut Client::connect(session.address);
    for _ in 0..3 {
        let response = session.send_admitted(client, "GET", &get("/"));
        assert_eq!((response.status(), response.text().as_str()), (200, "ok"));
        let ended = session.ended();
        assert_eq!(ended.calls, ["request", "response", "attempt"]);
        assert_eq!((ended.exchange.end_reason, ended.exchange.status), ("done", 200));
        let [attempt] = ended.attempts.as_slice() else { panic!("one attempt: {ended:?}") };
        assert_eq!((attempt.status, attempt.failure, Some(attempt.backend)), (Some(200), None, ended.exchange.backend));
        assert!(attempt.connect_time().is_some() && attempt.first_byte_time().is_some());
        session.send_refused(client, "GET", &get("/"));
        assert_eq!(session.ended().calls, session.calls_if_refused);
    }
}

fn refused_bodies(session: &Session<'_>) {
    let client = &mut Client::connect(session.address);
    // A body that has arrived with its head: the connection stays.
    let head = session.send_refused(client, "HEAD", b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert!(head.body.is_empty());
    session.send_admitted(client, "GET", &get("/"));
    // One that has not: it ends after the reply.
    let head = session.send_refused(client, "HEAD", b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
    assert_eq!(head.fields().all("Connection"), ["close"]);
    client.expect_closed();
}

fn pipelined_requests(session: &Session<'_>) {
    let client = &mut Client::connect(session.address);
    if session.next_is_refused() {
        session.get(client, "/");
    }
    let requests = [get("/"), get("/"), get("/early"), get("/")].concat();
    client.send(&requests);
    session.count_valid(4);
    let statuses = [(); 4].map(|()| {
        let response = client.response("GET");
        assert_recorded(&response);
        response.status()
    });
    assert_eq!(statuses, [200, 429, 200, 429]);
    session.ended();
}

/// Bytes that arrive together, or in pieces, belong to the request that they are part of.
fn bytes_of_each_request(session: &Session<'_>) {
    let requests = [
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    ];
    let text = requests.concat();
    for pieces in [text.len(), 7, 1] {
        let mut stream = TcpStream::connect(session.address).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        text.as_bytes().chunks(pieces).for_each(|piece| stream.write_all(piece).unwrap());
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        session.count_valid(2);
        let [first, second] = session.recorder.last_two_of(session.sent.get());
        assert_eq!([first.received, second.received], requests.map(|request| request.len() as u64), "{pieces}");
        assert_eq!(first.sent + second.sent, received.len() as u64, "{}", String::from_utf8_lossy(&received));
    }
}

fn invalid_heads(session: &Session<'_>) {
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505),
    ] {
        let client = &mut Client::connect(session.address);
        client.send(bytes);
        session.sent.set(session.sent.get() + 1);
        let response = client.response("GET");
        assert_eq!(response.status(), status);
        assert_recorded(&response);
        client.expect_closed();
        let ended = session.ended();
        assert_eq!((ended.exchange.end_reason, ended.calls.as_slice()), ("refused_head", ["response"].as_slice()));
    }
}

fn interim_and_switched(session: &Session<'_>) {
    let client = &mut Client::connect(session.address);
    let response = session.send_admitted(client, "GET", &get("/early"));
    assert_eq!((response.interim.len(), response.status()), (1, 200));
    let upgrade = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let client = &mut Client::connect(session.address);
    if session.next_is_refused() {
        session.get(client, "/");
    }
    client.send(upgrade);
    session.count_valid(1);
    let (_, head, _) = client.response_head("GET").unwrap();
    assert_eq!((head.status, head.fields.all("X-Recorded")), (101, vec!["101"]));
    client.half_close();
    assert_eq!(session.ended().exchange.status, 101);
}

fn retries(session: &Session<'_>, dies: &AtomicBool) {
    // A connection of its own, so that no idle one is reused: that would be a stale connection, not a failure.
    let client = &mut Client::connect(session.address);
    for _ in 0..2 {
        dies.store(true, SeqCst);
        let response = session.send_admitted(client, "GET", &get("/die"));
        assert_eq!(response.status(), 200);
        let ended = session.ended();
        assert_eq!(ended.calls, ["request", "attempt", "response", "attempt"]);
        let failure = ended.attempts[0].failure.unwrap();
        assert_eq!((failure.side, failure.phase), (Side::Backend, Phase::WaitingForResponse));
        assert_eq!((ended.attempts[0].status, ended.attempts[1].status), (None, Some(200)));
    }
    // A response that breaks off is not retried.
    let client = &mut Client::connect(session.address);
    if session.next_is_refused() {
        session.get(client, "/");
    }
    client.send(get("/cut"));
    session.count_valid(1);
    let _ = client.try_response("GET");
    let ended = session.ended();
    assert_eq!((ended.exchange.end_reason, ended.attempts.len()), ("backend_reset_in_response_body", 1));
    assert_eq!(ended.attempts[0].status, Some(200));
}

fn clients_that_leave(session: &Session<'_>, hangs: &AtomicBool) {
    let mut client = Client::connect(session.address);
    if session.next_is_refused() {
        session.get(&mut client, "/");
    }
    client.send(get("/hang"));
    session.count_valid(1);
    until("a backend has the request", || hangs.load(SeqCst));
    client.reset();
    let ended = session.ended();
    assert_eq!((ended.exchange.end_reason, ended.exchange.status), ("client_reset_before_response", 499));
    assert_eq!(ended.calls, ["request", "attempt"]);
}

/// A filter that panics ends its client's connection, and nothing else.
fn panics(session: &Session<'_>) {
    let mut client = Client::connect(session.address);
    if session.next_is_refused() {
        session.get(&mut client, "/");
    }
    client.send(get("/teapot"));
    session.count_valid(1);
    let ended = session.ended();
    assert_eq!((ended.exchange.end_reason, ended.exchange.status), ("aborted", 500));
    assert_eq!(ended.calls, ["request", "response", "attempt"]);
    assert_eq!(ended.attempts[0].status, None);
    client.expect_closed();
    assert_eq!(session.send_admitted(&mut Client::connect(session.address), "GET", &get("/")).status(), 200);
}

#[test]
fn every_request_ends_once_before_a_filter_that_refuses() {
    let recorder = Recorder::default();
    every_request_ends_once(&recorder, &["request", "response"], (recorder.clone(), Refuser));
}

/// The refuser comes first, so the recorder is not asked about refused requests, but sees their heads and ends.
#[test]
fn every_request_ends_once_behind_a_filter_that_refuses() {
    let recorder = Recorder::default();
    every_request_ends_once(&recorder, &["response"], (Refuser, recorder.clone()));
}

/// Refuses everything below `/admin`.
#[derive(Debug, Clone, Copy)]
struct NoAdmin;

impl Filter for NoAdmin {
    type Worker = Self;

    fn inspects_path(&self) -> bool {
        true
    }

    fn for_worker(&self, _worker_id: usize) -> Self {
        *self
    }
}

impl WorkerFilter for NoAdmin {
    type State = ();

    fn on_request(&self, (): &mut (), request: &RequestInfo<'_>, _now: Instant) -> Result<(), LocalReply> {
        if request.path().starts_with(b"/admin") { Err(LocalReply::new(403, "forbidden")) } else { Ok(()) }
    }
}

#[test]
fn the_backend_sees_the_path_that_the_filter_has_seen() {
    let backend = Backend::start(|conn| script(conn, &ScriptState::default()));
    let server = support::server_with_filter(&[&backend.addr().to_string()], SystemResolver, ((), NoAdmin));
    support::running(
        &server,
        || common::http::Plaintext,
        |address| {
            let status = |target| {
                let client = &mut Client::connect(address);
                client.send(get(target));
                client.response("GET").status()
            };
            assert_eq!(["/admin/x", "/%61dmin", "/x/../admin"].map(status), [403, 403, 403]);
            assert_eq!(status("/x%2fadmin"), 400, "a backend might decode it");
            assert_eq!(status("/admin/../public?q"), 200);
        },
    );
    assert_eq!(backend.last_request().0.target, "/public?q");
}

/// Lets one connection in at a time.
#[derive(Debug, Clone, Default)]
struct OneAtATime(Arc<AtomicBool>);

/// Its permit.
#[derive(Debug)]
struct Only(Arc<AtomicBool>);

impl Drop for Only {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl Filter for OneAtATime {
    type Worker = ();

    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        assert!(peer.is_loopback());
        if self.0.swap(true, SeqCst) { Err(ConnectionRefused) } else { Ok(Some(Box::new(Only(Arc::clone(&self.0))))) }
    }

    fn for_worker(&self, _worker_id: usize) {}
}

#[test]
fn a_refused_connection_is_closed_and_a_permit_is_held_until_its_connection_closes() {
    let backend = Backend::start(|conn| script(conn, &ScriptState::default()));
    let (first, second) = (OneAtATime::default(), OneAtATime::default());
    let filter = (first.clone(), ((), second.clone()));
    let server = support::server_with_filter(&[&backend.addr().to_string()], SystemResolver, filter);
    support::running(
        &server,
        || common::http::Plaintext,
        |address| {
            let mut client = Client::connect(address);
            client.send(get("/"));
            assert_eq!(client.response("GET").status(), 200);
            Client::connect(address).expect_closed();
            assert!(first.0.load(SeqCst) && second.0.load(SeqCst));
            drop(client);
            until("both filters have their permits back", || !first.0.load(SeqCst) && !second.0.load(SeqCst));
            // The second filter refuses: what the first one gave must come back.
            second.0.store(true, SeqCst);
            Client::connect(address).expect_closed();
            until("the first filter has its permit back", || !first.0.load(SeqCst));
        },
    );
}

/// Counts the bytes that its connections move, and limits nothing.
#[derive(Debug, Clone, Default)]
struct Meter(Arc<AtomicUsize>);

impl Filter for Meter {
    type Worker = ();

    fn throttle(&self, peer: IpAddr) -> Option<Box<dyn Throttle>> {
        peer.is_loopback().then(|| Box::new(self.clone()) as Box<dyn Throttle>)
    }

    fn for_worker(&self, _worker_id: usize) {}
}

impl Throttle for Meter {
    fn reserve(&mut self, _direction: Direction, wanted: usize, now: Instant) -> Reservation {
        self.0.fetch_add(wanted, SeqCst);
        Reservation { bytes: wanted, at: now }
    }

    fn give_back(&mut self, _direction: Direction, reserved: usize, moved: usize, _now: Instant) {
        self.0.fetch_sub(reserved - moved, SeqCst);
    }
}

#[test]
fn all_filters_see_each_byte_of_a_client() {
    let backend = Backend::ok("hello");
    let meters = (Meter::default(), (Meter::default(), ()));
    let filter = (meters.0.clone(), meters.1.clone());
    let server = support::server_with_filter(&[&backend.addr().to_string()], SystemResolver, filter);
    support::running(
        &server,
        || Plaintext,
        |address| {
            let mut client = Client::connect(address);
            client.send(get("/"));
            assert_eq!(client.response("GET").text(), "hello");
            client.half_close();
            client.expect_closed();
        },
    );
    let moved = [&meters.0, &meters.1.0].map(|meter| meter.0.load(SeqCst));
    // The request; the response with a Date, and its body.
    assert_eq!(moved, [27 + 75 + 5; 2]);
}
