//! The backends: three, of which at most one misbehaves at a time, so that a retry always finds another.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::backend::{Backend, Conn, Request};
use crate::seed::Seed;
use crate::wait::{ms, pause};

const BACKENDS: usize = 3;
const NONE_BAD: usize = usize::MAX;
/// How long one misbehaves, and how long all then behave: longer than a retry may be queued.
const BAD: Duration = ms(500);
const GOOD: Duration = ms(800);
/// One of so many requests fails while a backend misbehaves.
const ONE_OF: usize = 3;

/// What a misbehaving backend does to a request.
#[derive(Debug, Clone, Copy)]
enum Misdeed {
    Close,
    Reset,
    Stall,
    CloseAfterwards,
    BreakOff,
    BreakOffWithReset,
}

const MISDEEDS: [Misdeed; 6] = [
    Misdeed::Close,
    Misdeed::Reset,
    Misdeed::Stall,
    Misdeed::CloseAfterwards,
    Misdeed::BreakOff,
    Misdeed::BreakOffWithReset,
];

/// Three backends, and what became of the requests.
pub(super) struct World {
    backends: Vec<Backend>,
    records: Arc<Records>,
    alarm: AtomicBool,
    answers: AtomicU64,
    broken: AtomicU64,
    /// The bodies of POSTs that were answered.
    done: Mutex<Vec<String>>,
}

/// What the backends record.
#[derive(Debug)]
struct Records {
    bad: AtomicUsize,
    misdeeds: [AtomicU64; MISDEEDS.len()],
    /// The bodies of POSTs, each of them unique.
    executed: Mutex<HashSet<String>>,
    twice: Mutex<Vec<String>>,
}

impl World {
    pub(super) fn start() -> Self {
        let records = Arc::new(Records {
            bad: AtomicUsize::new(NONE_BAD),
            misdeeds: Default::default(),
            executed: Mutex::default(),
            twice: Mutex::default(),
        });
        let backend = |place| {
            let records = Arc::clone(&records);
            Backend::start_forgetful(move |conn| records.serve(conn, place))
        };
        Self {
            backends: (0..BACKENDS).map(backend).collect(),
            records,
            alarm: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            done: Mutex::default(),
        }
    }

    pub(super) fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Makes one backend after another misbehave until `end`.
    pub(super) fn misbehave(&self, end: Instant) {
        for place in (0..BACKENDS).cycle() {
            if !self.goes_on(end) {
                return;
            }
            self.records.bad.store(place, SeqCst);
            pause(BAD);
            self.records.bad.store(NONE_BAD, SeqCst);
            pause(GOOD);
        }
    }

    /// Whether time is left and no fault was found.
    pub(super) fn goes_on(&self, end: Instant) -> bool {
        Instant::now() < end && !self.alarm.load(SeqCst)
    }

    /// Ends everything if its owner panics, so that a fault is reported without waiting for minutes.
    pub(super) fn alarm(&self) -> impl Drop {
        struct Alarm<'a>(&'a AtomicBool);
        impl Drop for Alarm<'_> {
            fn drop(&mut self) {
                self.0.fetch_or(std::thread::panicking(), SeqCst);
            }
        }
        Alarm(&self.alarm)
    }

    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, SeqCst);
    }

    pub(super) fn note_broken(&self) {
        self.broken.fetch_add(1, SeqCst);
    }

    pub(super) fn note_done(&self, body: &str) {
        self.done.lock().unwrap().push(body.to_owned());
    }

    pub(super) fn assert_nothing_lost(&self) {
        let count = |misdeed: Misdeed| self.records.misdeeds[misdeed as usize].load(SeqCst);
        assert!(MISDEEDS.into_iter().all(|misdeed| count(misdeed) > 0), "a misdeed never happened: {self:?}");
        let (broken, broken_off) =
            (self.broken.load(SeqCst), count(Misdeed::BreakOff) + count(Misdeed::BreakOffWithReset));
        assert!(broken <= broken_off, "clients saw more truncated bodies than backends sent: {self:?}");
        assert_eq!(*self.records.twice.lock().unwrap(), Vec::<String>::new(), "executed twice");
        let executed = self.records.executed.lock().unwrap();
        let done = self.done.lock().unwrap();
        assert!(!done.is_empty() && done.iter().all(|body| executed.contains(body)), "answered but not executed");
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misdeeds = MISDEEDS.iter().zip(&self.records.misdeeds);
        let (answers, broken) = (self.answers.load(SeqCst), self.broken.load(SeqCst));
        write!(f, "{answers} answers, {broken} truncated bodies; misdeeds: ")?;
        f.debug_map().entries(misdeeds).finish()
    }
}

impl Records {
    fn serve(&self, conn: &mut Conn, place: usize) {
        let mut seed = Seed::new((conn.index * BACKENDS + place) as u64);
        while let Ok(request) = conn.request() {
            self.execute(&request);
            match self.misdeed(place, &mut seed, &request) {
                None => answer(conn, &request, 1),
                Some(Misdeed::Stall) => {
                    pause(ms(200));
                    answer(conn, &request, 1);
                }
                Some(Misdeed::CloseAfterwards) => return answer(conn, &request, 1),
                Some(Misdeed::Close) => return,
                Some(Misdeed::Reset) => return conn.reset(),
                Some(Misdeed::BreakOff) => return answer(conn, &request, 2),
                Some(Misdeed::BreakOffWithReset) => {
                    answer(conn, &request, 2);
                    return conn.reset();
                }
            }
        }
    }

    fn execute(&self, request: &Request) {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if !body.is_empty() && !self.executed.lock().unwrap().insert(body.clone()) {
            self.twice.lock().unwrap().push(body);
        }
    }

    fn misdeed(&self, place: usize, seed: &mut Seed, request: &Request) -> Option<Misdeed> {
        if self.bad.load(SeqCst) != place || seed.below(ONE_OF) > 0 {
            return None;
        }
        let misdeed = *seed.pick(&MISDEEDS);
        // Only the body of a GET may be truncated from the client's point of view.
        if matches!(misdeed, Misdeed::BreakOff | Misdeed::BreakOffWithReset) && request.head.method != "GET" {
            return None;
        }
        self.misdeeds[misdeed as usize].fetch_add(1, SeqCst);
        Some(misdeed)
    }
}

/// The response to a request for `/LENGTH`, or the first of `parts` equal parts of it.
fn answer(conn: &mut Conn, request: &Request, parts: usize) {
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
