//! The thread that writes the log.
//!
//! It takes what is in the workers' queues, writes it, and sleeps. If it cannot write, because the disk is full or
//! nobody reads the pipe, it keeps what it has and tries again; meanwhile the queues fill, and further lines are dropped
//! and counted. It also reopens the file: when it is told to, and when the file has been rotated. It never blocks, so it
//! can always say what it cannot do.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use common::clock::now;

use super::{
    line_queue::{DroppedLines, LineReceiver, Sleep, WriterWaker},
    log_file::{LogFile, Target},
};

/// How long lines gather before they are written: nobody reads a log faster.
const GATHER: Duration = Duration::from_millis(50);
/// How often it is checked whether the file has been rotated, and how often a failed write is tried again.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How often dropped lines are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How long a request to reopen the file may take.
const REOPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the last lines may take at the exit: a program that was told to stop must not hang because nobody reads its
/// log.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The handle of the writer.
#[derive(Debug)]
pub struct LogWriter {
    target: Target,
    orders: Arc<Orders>,
    dropped: Vec<Arc<DroppedLines>>,
    /// `None` once it was joined.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer is told.
#[derive(Debug)]
struct Orders {
    waker: Arc<WriterWaker>,
    close: AtomicBool,
    /// Reopen the file, and answer each of these.
    reopen: Mutex<Vec<mpsc::Sender<io::Result<()>>>>,
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
    /// The file has been rotated and could not be reopened, and that was said.
    reopen_fails: bool,
    checked_at: Instant,
    reported: DropReport,
}

/// What has become of the pending lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// All are written.
    Written,
    /// Nobody reads them.
    Stalled,
    /// They cannot be written.
    Failed,
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
        let writer = Writer {
            file,
            queues,
            orders: Arc::clone(&orders),
            pending: Vec::new(),
            written: 0,
            fails: false,
            reopen_fails: false,
            checked_at: now(),
            reported: DropReport { lines: 0, at: None },
        };
        let thread = thread::Builder::new().name("access-log".into()).spawn(move || writer.run())?;
        Ok(Self { target, orders, dropped, thread: Mutex::new(Some(thread)) })
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
    /// It cannot be opened: the old one stays open.
    pub fn reopen(&self) -> io::Result<()> {
        let (answer, reopened) = mpsc::channel();
        self.orders.reopen.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        self.orders.waker.wake();
        let late = |_| io::Error::new(ErrorKind::TimedOut, "the writer does not answer, and may reopen it later");
        reopened.recv_timeout(REOPEN_TIMEOUT).map_err(late)?
    }

    /// Writes what is left, for a second at most, and ends the writer.
    pub fn close(&self) {
        self.orders.close.store(true, SeqCst);
        self.orders.waker.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("access log: its writer has panicked");
        }
    }
}

impl Writer {
    fn run(mut self) {
        self.orders.waker.set_thread(thread::current());
        // Read before the queues are: what was pushed before the order is written.
        while !self.orders.close.load(SeqCst) {
            let had_lines = self.take_lines();
            let progress = self.write_pending();
            self.reopen_if_asked();
            self.reopen_if_rotated();
            self.report_drops(REPORT_INTERVAL);
            match progress {
                Progress::Stalled => {} // it has waited
                Progress::Failed => self.sleep(Sleep::Retrying, CHECK_INTERVAL),
                Progress::Written if had_lines => self.sleep(Sleep::Gathering, GATHER),
                Progress::Written => self.sleep(Sleep::Idle, CHECK_INTERVAL),
            }
        }
        self.write_last();
    }

    fn sleep(&self, sleep: Sleep, duration: Duration) {
        self.orders.waker.set(sleep);
        thread::park_timeout(duration);
        self.orders.waker.set(Sleep::Awake);
    }

    fn write_last(&mut self) {
        let deadline = now() + CLOSE_TIMEOUT;
        // What is pending comes first; then the queues are empty, for the workers have ended.
        while self.take_lines() && now() < deadline {
            if let Progress::Failed = self.write_pending() {
                break;
            }
        }
        if !self.pending.is_empty() {
            tracing::warn!("access log: {} takes no more lines; the last ones are lost", self.file.target());
        }
        self.report_drops(Duration::ZERO);
    }

    /// Takes what is in the queues, unless something is still to be written: the memory is bounded by the queues. Returns
    /// whether there is something to write.
    fn take_lines(&mut self) -> bool {
        if self.pending.is_empty() {
            self.written = 0;
            self.queues.iter_mut().for_each(|queue| queue.take_all(&mut self.pending));
        }
        !self.pending.is_empty()
    }

    /// Writes until all is written or nothing can be.
    fn write_pending(&mut self) -> Progress {
        while self.written < self.pending.len() {
            match self.file.append(&self.pending[self.written..]) {
                Ok(0) => return Progress::Stalled,
                Ok(length) => self.written += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.fail(&error),
            }
        }
        self.pending.clear();
        if std::mem::take(&mut self.fails) {
            tracing::info!("access log: {} can be written again", self.file.target());
        }
        Progress::Written
    }

    fn fail(&mut self, error: &io::Error) -> Progress {
        if !std::mem::replace(&mut self.fails, true) {
            tracing::warn!(
                "access log: cannot write to {}: {error}; serving goes on, and lines beyond the queues are dropped",
                self.file.target()
            );
        }
        Progress::Failed
    }

    fn reopen_if_asked(&mut self) {
        let asked = std::mem::take(&mut *self.orders.reopen.lock().unwrap_or_else(PoisonError::into_inner));
        for answer in asked {
            let _ = answer.send(self.file.reopen()); // the request may have timed out
        }
    }

    fn reopen_if_rotated(&mut self) {
        let now = now();
        if now.saturating_duration_since(self.checked_at) < CHECK_INTERVAL {
            return;
        }
        self.checked_at = now;
        let reopened = if self.file.is_rotated() { self.file.reopen() } else { Ok(()) };
        let failed_before = std::mem::replace(&mut self.reopen_fails, reopened.is_err());
        if let Err(error) = reopened
            && !failed_before
        {
            let target = self.file.target();
            tracing::warn!("access log: cannot reopen {target}: {error}; writing to the file that had this name");
        }
    }

    /// Says how many lines were dropped, unless that was said within `interval`.
    fn report_drops(&mut self, interval: Duration) {
        let dropped: u64 = self.queues.iter().map(|queue| queue.dropped().get()).sum();
        let now = now();
        let is_due = self.reported.at.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        if dropped > self.reported.lines && is_due {
            let lines = dropped - self.reported.lines;
            tracing::warn!("access log: {lines} lines dropped: {} is too slow", self.file.target());
            self.reported = DropReport { lines: dropped, at: Some(now) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _, path::Path};

    use super::{super::line_queue::line_queue, *};

    fn eventually(what: &str, is_so: impl Fn() -> bool) {
        let deadline = now() + Duration::from_secs(20);
        while !is_so() {
            assert!(now() < deadline, "{what}");
            thread::yield_now();
        }
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn lines_are_written_soon_and_the_last_ones_at_the_exit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let waker = Arc::<WriterWaker>::default();
        let (mut sender, receiver) = line_queue(&waker);
        let writer = LogWriter::start(LogFile::open(Target::File(path.clone())).unwrap(), vec![receiver], waker);
        let writer = writer.unwrap();
        sender.push(b"one\n");
        eventually("it is written", || read(&path) == "one\n");
        fs::rename(&path, dir.path().join("old")).unwrap();
        writer.reopen().unwrap();
        sender.push(b"two\n");
        writer.close();
        assert_eq!((read(&path).as_str(), read(&dir.path().join("old")).as_str()), ("two\n", "one\n"));
        assert_eq!(writer.dropped(), 0);
        assert!(writer.reopen().is_err(), "it has ended");
    }

    #[test]
    fn a_rotated_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let waker = Arc::<WriterWaker>::default();
        let (mut sender, receiver) = line_queue(&waker);
        let writer =
            LogWriter::start(LogFile::open(Target::File(path.clone())).unwrap(), vec![receiver], waker).unwrap();
        fs::remove_file(&path).unwrap();
        eventually("there is a new one", || path.exists());
        sender.push(b"new\n");
        writer.close();
        assert_eq!(read(&path), "new\n");
    }

    #[test]
    fn a_stalled_reader_costs_lines_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut options = fs::OpenOptions::new();
        let mut reader = options.read(true).write(true).open(&path).unwrap();
        let waker = Arc::<WriterWaker>::default();
        let (mut sender, receiver) = line_queue(&waker);
        let writer = LogWriter::start(LogFile::open(Target::File(path)).unwrap(), vec![receiver], waker).unwrap();
        let line = [&[b'x'; 99][..], b"\n"].concat();
        let mut pushed = 0;
        while writer.dropped() == 0 {
            sender.push(&line);
            pushed += 1;
        }
        writer.reopen().unwrap(); // it can still be told something
        let mut bytes = vec![0; (pushed - 1) * line.len()];
        reader.read_exact(&mut bytes).unwrap();
        assert!(bytes.chunks(line.len()).all(|read| read == line), "with a reader again, the others come whole");
        while writer.dropped() == 1 {
            sender.push(&line);
        }
        let began = now();
        writer.close();
        assert!(began.elapsed() < 5 * CLOSE_TIMEOUT, "it does not hang at the exit");
    }

    #[test]
    fn a_disk_that_is_full_is_tried_again() {
        let waker = Arc::<WriterWaker>::default();
        let (mut sender, receiver) = line_queue(&waker);
        let file = LogFile::open(Target::File("/dev/full".into())).unwrap();
        let writer = LogWriter::start(file, vec![receiver], waker).unwrap();
        while writer.dropped() == 0 {
            sender.push(&[b'\n'; 1_000]);
        }
        let began = now();
        writer.close();
        assert!(began.elapsed() < 5 * CLOSE_TIMEOUT, "what cannot be written is no reason to hang");
    }
}
