//! Three backends, of which at most one injects faults at a time, so that a retry always finds a healthy one.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::backend::{Backend, Conn, Request};
use crate::rng::Rng;
use crate::wait::{ms, pause};

const BACKENDS: usize = 3;
const NO_BACKEND: usize = usize::MAX;
/// How long one backend injects faults, and how long all are healthy after that: longer than a retry may be queued.
const FAULTY_PERIOD: Duration = ms(500);
const HEALTHY_PERIOD: Duration = ms(800);
/// A faulty backend injects a fault into one request of this many.
const FAULT_ONE_IN: usize = 3;

/// What a faulty backend does to a request.
#[derive(Debug, Clone, Copy)]
enum InjectedFault {
    Close,
    Reset,
    Stall,
    CloseAfterResponse,
    Truncate,
    TruncateWithReset,
}

const FAULTS: [InjectedFault; 6] = [
    InjectedFault::Close,
    InjectedFault::Reset,
    InjectedFault::Stall,
    InjectedFault::CloseAfterResponse,
    InjectedFault::Truncate,
    InjectedFault::TruncateWithReset,
];

/// The backends, and what clients and backends recorded about the requests.
pub(super) struct FaultyBackends {
    backends: Vec<Backend>,
    log: Arc<FaultLog>,
    stopped: AtomicBool,
    responses: AtomicU64,
    truncated: AtomicU64,
    /// The bodies of POSTs whose client received a 200.
    acknowledged: Mutex<Vec<String>>,
}

/// What the backends recorded.
#[derive(Debug)]
struct FaultLog {
    faulty_backend: AtomicUsize,
    faults: [AtomicU64; FAULTS.len()],
    /// The bodies of POSTs, each of them unique.
    executed: Mutex<HashSet<String>>,
    executed_twice: Mutex<Vec<String>>,
}

impl FaultyBackends {
    pub(super) fn start() -> Self {
        let log = Arc::new(FaultLog {
            faulty_backend: AtomicUsize::new(NO_BACKEND),
            faults: Default::default(),
            executed: Mutex::default(),
            executed_twice: Mutex::default(),
        });
        let backend = |index| {
            let log = Arc::clone(&log);
            Backend::start_without_recording(move |conn| log.serve(conn, index))
        };
        Self {
            backends: (0..BACKENDS).map(backend).collect(),
            log,
            stopped: AtomicBool::new(false),
            responses: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
            acknowledged: Mutex::default(),
        }
    }

    pub(super) fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Makes one backend after another faulty until `end`.
    pub(super) fn inject_faults(&self, end: Instant) {
        for index in (0..BACKENDS).cycle() {
            if !self.is_running(end) {
                return;
            }
            self.log.faulty_backend.store(index, SeqCst);
            pause(FAULTY_PERIOD);
            self.log.faulty_backend.store(NO_BACKEND, SeqCst);
            pause(HEALTHY_PERIOD);
        }
    }

    /// Whether time is left and no assertion has failed.
    pub(super) fn is_running(&self, end: Instant) -> bool {
        Instant::now() < end && !self.stopped.load(SeqCst)
    }

    /// Stops all threads if the owner panics, so that a failure is reported without waiting for minutes.
    pub(super) fn stop_on_panic(&self) -> impl Drop {
        struct StopOnPanic<'a>(&'a AtomicBool);
        impl Drop for StopOnPanic<'_> {
            fn drop(&mut self) {
                self.0.fetch_or(std::thread::panicking(), SeqCst);
            }
        }
        StopOnPanic(&self.stopped)
    }

    pub(super) fn count_response(&self) {
        self.responses.fetch_add(1, SeqCst);
    }

    pub(super) fn count_truncated(&self) {
        self.truncated.fetch_add(1, SeqCst);
    }

    pub(super) fn record_executed_post(&self, body: &str) {
        self.acknowledged.lock().unwrap().push(body.to_owned());
    }

    pub(super) fn assert_nothing_lost(&self) {
        let count = |fault: InjectedFault| self.log.faults[fault as usize].load(SeqCst);
        assert!(FAULTS.into_iter().all(|fault| count(fault) > 0), "a kind of fault never occurred: {self:?}");
        let (truncated, truncated_by_backends) =
            (self.truncated.load(SeqCst), count(InjectedFault::Truncate) + count(InjectedFault::TruncateWithReset));
        assert!(truncated <= truncated_by_backends, "clients saw more truncated bodies than backends sent: {self:?}");
        assert_eq!(*self.log.executed_twice.lock().unwrap(), Vec::<String>::new(), "executed twice");
        let executed = self.log.executed.lock().unwrap();
        let acknowledged = self.acknowledged.lock().unwrap();
        assert!(
            !acknowledged.is_empty() && acknowledged.iter().all(|body| executed.contains(body)),
            "acknowledged but not executed"
        );
    }
}

impl fmt::Debug for FaultyBackends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = FAULTS.iter().zip(&self.log.faults);
        let (responses, truncated) = (self.responses.load(SeqCst), self.truncated.load(SeqCst));
        write!(f, "{responses} responses, {truncated} truncated bodies; faults: ")?;
        f.debug_map().entries(faults).finish()
    }
}

impl FaultLog {
    fn serve(&self, conn: &mut Conn, index: usize) {
        let mut rng = Rng::new((conn.index * BACKENDS + index) as u64);
        while let Ok(request) = conn.request() {
            self.execute(&request);
            match self.fault(index, &mut rng, &request) {
                None => respond(conn, &request, 1),
                Some(InjectedFault::Stall) => {
                    pause(ms(200));
                    respond(conn, &request, 1);
                }
                Some(InjectedFault::CloseAfterResponse) => return respond(conn, &request, 1),
                Some(InjectedFault::Close) => return,
                Some(InjectedFault::Reset) => return conn.reset(),
                Some(InjectedFault::Truncate) => return respond(conn, &request, 2),
                Some(InjectedFault::TruncateWithReset) => {
                    respond(conn, &request, 2);
                    return conn.reset();
                }
            }
        }
    }

    fn execute(&self, request: &Request) {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if !body.is_empty() && !self.executed.lock().unwrap().insert(body.clone()) {
            self.executed_twice.lock().unwrap().push(body);
        }
    }

    fn fault(&self, index: usize, rng: &mut Rng, request: &Request) -> Option<InjectedFault> {
        if self.faulty_backend.load(SeqCst) != index || rng.below(FAULT_ONE_IN) > 0 {
            return None;
        }
        let fault = *rng.pick(&FAULTS);
        // Only the body of a GET may be truncated from the client's point of view.
        if matches!(fault, InjectedFault::Truncate | InjectedFault::TruncateWithReset) && request.head.method != "GET" {
            return None;
        }
        self.faults[fault as usize].fetch_add(1, SeqCst);
        Some(fault)
    }
}

/// The response to a request for `/LENGTH`, or the first of `parts` equal parts of it.
fn respond(conn: &mut Conn, request: &Request, parts: usize) {
    let length = request.head.target[1..].parse().unwrap_or_default();
    let (content, end) = (content(length), length / parts);
    if length.is_multiple_of(2) {
        conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        conn.write(&content[..end]);
        return;
    }
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in content[..end].chunks(10_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    if parts == 1 {
        chunked.extend_from_slice(b"0\r\n\r\n");
    }
    conn.write(chunked);
}

/// The body of the response to `/LENGTH`: a lost or doubled piece changes it.
pub(super) fn content(length: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(length).collect()
}
