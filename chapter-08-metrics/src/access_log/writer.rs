//! The thread that writes the log.
//!
//! It takes what is in the workers' queues, writes it, and sleeps. If it cannot write, because the disk is full or
//! nobody reads the pipe, it keeps what it has and tries again; meanwhile the queues fill, and further lines are dropped
//! and counted. It also reopens the file: when it is told to, and when the file has been rotated.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use common::clock::now;

use super::{
    line_queue::{DroppedLines, LineReceiver, Sleep, WriterWaker},
    log_file::{LineSink as _, LogFile, Target},
};

/// How long lines gather before they are written: nobody reads a log faster.
const GATHER: Duration = Duration::from_millis(50);
/// How often it is checked whether the file has been rotated, and how often a failed write is tried again.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How often dropped lines are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How long a request to reopen the file may take.
const REOPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the last lines may take at the exit.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The handle of the writer.
#[derive(Debug)]
pub struct LogWriter {
    target: Target,
    orders: Arc<Orders>,
    dropped: Vec<Arc<DroppedLines>>,
    /// Disconnected when the writer has ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// What the writer is told.
#[derive(Debug)]
struct Orders {
    waker: Arc<WriterWaker>,
    close: AtomicBool,
    /// Reopen the file, and answer.
    reopen: Mutex<Option<mpsc::Sender<io::Result<()>>>>,
}

/// The thread's own.
#[derive(Debug)]
struct Writer {
    file: LogFile,
    queues: Vec<LineReceiver>,
    orders: Arc<Orders>,
    /// Lines that were taken from the queues and are not written yet, and how much of them is.
    pending: Vec<u8>,
    written: usize,
    /// It could not write, and has said so.
    fails: bool,
    checked_at: Instant,
    reported: DropReport,
}

/// What has been said of dropped lines.
#[derive(Debug)]
struct DropReport {
    lines: u64,
    at: Option<Instant>,
}

impl LogWriter {
    /// Writes what comes from `queues` to `file`.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(file: LogFile, queues: Vec<LineReceiver>, waker: Arc<WriterWaker>) -> io::Result<Self> {
        let orders = Arc::new(Orders { waker, close: AtomicBool::new(false), reopen: Mutex::default() });
        let dropped = queues.iter().map(|queue| Arc::clone(queue.dropped())).collect();
        let target = file.target().clone();
        let (running, ended) = mpsc::channel();
        let writer = Writer {
            file,
            queues,
            orders: Arc::clone(&orders),
            pending: Vec::new(),
            written: 0,
            fails: false,
            checked_at: now(),
            reported: DropReport { lines: 0, at: None },
        };
        let run = move || {
            writer.run();
            drop(running);
        };
        thread::Builder::new().name("access-log".into()).spawn(run)?;
        Ok(Self { target, orders, dropped, ended: Mutex::new(ended) })
    }

    /// Where it writes to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The lines that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().map(|worker| worker.get()).sum()
    }

    /// Reopens the file, and waits until that is done.
    ///
    /// # Errors
    /// It cannot be opened: the old one stays open. Or the writer is blocked: it will be reopened once it is not.
    pub fn reopen(&self) -> io::Result<()> {
        let (answer, reopened) = mpsc::channel();
        *self.orders.reopen.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.orders.waker.wake();
        let blocked = |_| io::Error::new(ErrorKind::TimedOut, "the writer is blocked, and reopens it later");
        reopened.recv_timeout(REOPEN_TIMEOUT).map_err(blocked)?
    }

    /// Writes what is left, and ends the writer. Waits for a second at most: a program that was told to stop must not hang
    /// because nobody reads its log.
    pub fn close(&self) {
        self.orders.close.store(true, SeqCst);
        self.orders.waker.wake();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(CLOSE_TIMEOUT) {
            tracing::warn!("access log: {} takes no more lines; the last ones are lost", self.target);
        }
    }
}

impl Writer {
    fn run(mut self) {
        self.orders.waker.set_thread(thread::current());
        loop {
            // Read before the queues are: what was pushed before the order is written.
            let closes = self.orders.close.load(SeqCst);
            let is_idle = self.take_lines();
            self.write_pending();
            self.reopen_if_asked();
            self.reopen_if_rotated();
            self.report_drops(closes);
            if closes {
                return;
            }
            let (sleep, duration) = match (self.fails, is_idle) {
                (true, _) => (Sleep::Retrying, CHECK_INTERVAL),
                (false, true) => (Sleep::Idle, CHECK_INTERVAL),
                (false, false) => (Sleep::Gathering, GATHER),
            };
            self.orders.waker.set(sleep);
            thread::park_timeout(duration);
            self.orders.waker.set(Sleep::Awake);
        }
    }

    /// Takes what is in the queues, unless something is still to be written: the memory is bounded by the queues. Returns
    /// whether there was nothing.
    fn take_lines(&mut self) -> bool {
        if self.pending.is_empty() {
            self.written = 0;
            self.queues.iter_mut().for_each(|queue| queue.take_all(&mut self.pending));
        }
        self.pending.is_empty()
    }

    /// Writes until all is written or nothing can be.
    fn write_pending(&mut self) {
        while self.written < self.pending.len() {
            match self.file.append(&self.pending[self.written..]) {
                Ok(0) => return self.fail(&ErrorKind::WriteZero.into()),
                Ok(length) => self.written += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.fail(&error),
            }
        }
        self.pending.clear();
        if std::mem::take(&mut self.fails) {
            tracing::info!("access log: {} can be written again", self.file.target());
        }
    }

    fn fail(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.fails, true) {
            tracing::warn!(
                "access log: cannot write to {}: {error}; requests go on, and lines beyond the queues are dropped",
                self.file.target()
            );
        }
    }

    fn reopen_if_asked(&mut self) {
        let asked = self.orders.reopen.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(answer) = asked {
            let _ = answer.send(self.file.reopen()); // whoever asked may have stopped waiting
        }
    }

    fn reopen_if_rotated(&mut self) {
        let now = now();
        if now.saturating_duration_since(self.checked_at) < CHECK_INTERVAL {
            return;
        }
        self.checked_at = now;
        if self.file.is_rotated()
            && let Err(error) = self.file.reopen()
        {
            let target = self.file.target();
            tracing::warn!("access log: cannot reopen {target}: {error}; writing to the file that had this name");
        }
    }

    fn report_drops(&mut self, is_last: bool) {
        let dropped: u64 = self.queues.iter().map(|queue| queue.dropped().get()).sum();
        let now = now();
        let is_due = self.reported.at.is_none_or(|at| now.saturating_duration_since(at) >= REPORT_INTERVAL);
        if dropped > self.reported.lines && (is_due || is_last) {
            let lines = dropped - self.reported.lines;
            tracing::warn!("access log: {lines} lines dropped: {} is too slow", self.file.target());
            self.reported = DropReport { lines: dropped, at: Some(now) };
        }
    }
}
