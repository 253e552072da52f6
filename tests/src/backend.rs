//! A scripted backend: it records every byte that it receives and does exactly what the case's script says.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::checker::RequestHead;
use crate::wait::TEST_TIMEOUT;

pub mod backend_process;
pub mod bundled_process;
mod conn;
mod own_process;
mod recording;
mod reserved_port;
pub mod stream_process;

pub use conn::{Conn, Request};
pub use recording::RecordedConnection;
pub use reserved_port::{ReservedPort, reserved_port};

use recording::{Shared, lock};

/// Bytes recorded per connection; further ones are only counted.
const MAX_RECORDED_BYTES: usize = 4 << 20;

/// Weak, because a script that closes a connection must really close it.
type Streams = Arc<Mutex<Vec<Weak<TcpStream>>>>;

/// A listening backend. Dropped: closed with all its connections, and its threads joined.
#[derive(Debug)]
pub struct Backend {
    port: Option<ReservedPort>,
    shared: Shared,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Backend {
    /// Runs `script` on a thread for each accepted connection, on an ephemeral port.
    pub fn start(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::start_on(reserved_port(), script)
    }

    /// The same on an address of the caller's, such as that of another family.
    pub fn start_at(addr: SocketAddr, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::start_recording(ReservedPort::bind(addr), MAX_RECORDED_BYTES, script)
    }

    /// The same on a reserved port: a backend that starts late, or again.
    pub fn start_on(port: ReservedPort, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::start_recording(port, MAX_RECORDED_BYTES, script)
    }

    /// The same, but it records no bytes: for a load that lasts long.
    pub fn start_without_recording(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::start_recording(reserved_port(), 0, script)
    }

    fn start_recording(
        port: ReservedPort,
        max_recorded_bytes: usize,
        script: impl Fn(&mut Conn) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(port.addr).unwrap_or_else(|error| panic!("bind {}: {error}", port.addr));
        let shared = Shared::default();
        let stopping = Arc::new(AtomicBool::new(false));
        let acceptor = Acceptor {
            listener,
            script: Arc::new(script),
            shared: Arc::clone(&shared),
            max_recorded_bytes,
            streams: Streams::default(),
            stopping: Arc::clone(&stopping),
        };
        let acceptor = Some(thread::spawn(move || acceptor.run()));
        Self { port: Some(port), shared, stopping, acceptor }
    }

    /// Reads a complete request, responds with these bytes, and closes.
    pub fn answering(raw: impl Into<Vec<u8>>) -> Self {
        let raw = raw.into();
        Self::start(move |conn| {
            if conn.request().is_ok() {
                conn.write(&raw);
            }
            conn.close();
        })
    }

    /// Answers each request with these bytes, and keeps its connections open.
    pub fn keeping_alive(raw: impl Into<Vec<u8>>) -> Self {
        let raw = raw.into();
        Self::start(move |conn| {
            while conn.request().is_ok() {
                conn.write(&raw);
            }
        })
    }

    /// Reads a request, and does not answer.
    pub fn silent() -> Self {
        Self::start(|conn| {
            if conn.request().is_ok() {
                conn.read_until_closed();
            }
        })
    }

    /// Answers each request with 200 and `body`, with a length, and closes.
    pub fn ok(body: &str) -> Self {
        Self::answering(ok_response(body))
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.port.as_ref().expect("only `stop` takes it").addr
    }

    /// Stops it: closed with all its connections. Its port refuses connects, and stays reserved.
    pub fn stop(mut self) -> ReservedPort {
        self.close();
        self.port.take().expect("only this takes it")
    }

    fn close(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes `accept`; there is no other portable way.
        let _ = TcpStream::connect_timeout(&self.addr(), Duration::from_secs(1));
        let _ = acceptor.join();
    }

    /// What each connection has sent so far, in the order they were accepted.
    pub fn recordings(&self) -> Vec<RecordedConnection> {
        lock(&self.shared.0).clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        lock(&self.shared.0).len()
    }

    /// How many bytes were received over all connections.
    pub fn total_bytes(&self) -> u64 {
        lock(&self.shared.0).iter().map(|seen| seen.count).sum()
    }

    /// Waits until `claim` holds for the recordings; panics with `what` otherwise.
    pub fn wait_for(&self, what: &str, claim: impl Fn(&[RecordedConnection]) -> bool) {
        assert!(self.holds_within(TEST_TIMEOUT, claim), "the backend: {what}: {:?}", self.recordings());
    }

    /// Whether `claim` becomes true for the recordings.
    pub fn holds_within(&self, within: Duration, claim: impl Fn(&[RecordedConnection]) -> bool) -> bool {
        let deadline = Instant::now() + within;
        let mut seen = lock(&self.shared.0);
        loop {
            if claim(&seen) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.1.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The one request of the last connection.
    pub fn last_request(&self) -> (RequestHead, Vec<u8>) {
        self.recordings().last().expect("the backend received no connection").request()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.close();
    }
}

/// 200 with a length, and `Connection: close`.
pub fn ok_response(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").into()
}

struct Acceptor<S> {
    listener: TcpListener,
    script: Arc<S>,
    shared: Shared,
    max_recorded_bytes: usize,
    streams: Streams,
    stopping: Arc<AtomicBool>,
}

impl<S: Fn(&mut Conn) + Send + Sync + 'static> Acceptor<S> {
    fn run(self) {
        let mut running: Vec<JoinHandle<()>> = Vec::new();
        while let Ok((stream, _)) = self.listener.accept() {
            if self.stopping.load(Ordering::SeqCst) {
                break;
            }
            let stream = Arc::new(stream);
            let mut streams = lock(&self.streams);
            streams.retain(|stream| stream.strong_count() > 0);
            streams.push(Arc::downgrade(&stream));
            drop(streams);
            let index = {
                let mut seen = lock(&self.shared.0);
                seen.push(RecordedConnection::default());
                seen.len() - 1
            };
            self.shared.1.notify_all();
            let mut conn = Conn::new(index, stream, Arc::clone(&self.shared), self.max_recorded_bytes);
            let script = Arc::clone(&self.script);
            running.retain(|thread| !thread.is_finished());
            running.push(thread::spawn(move || script(&mut conn)));
        }
        // Closing it would not end it at once: a child of another thread may have it between fork and exec. Systems other
        // than Linux may refuse this.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        drop(self.listener);
        shut_all(&self.streams);
        for thread in running {
            let _ = thread.join();
        }
    }
}

fn shut_all(streams: &Streams) {
    for stream in lock(streams).drain(..).filter_map(|weak| weak.upgrade()) {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
