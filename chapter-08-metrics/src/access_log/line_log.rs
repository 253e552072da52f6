//! A log: its format, a queue for each worker, and the writer behind them.

use std::{
    cell::RefCell,
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    format::LogFormat,
    line_queue::{LineSender, WriterWaker, line_queue},
    log_field::LogField,
    log_file::{LogFile, Target},
    sampling::{SampleRate, Sampler},
    writer::LogWriter,
};

/// Where a log goes, and what is in it.
#[derive(Clone, Debug)]
pub struct LineLogConfig<F> {
    /// The file.
    pub target: Target,
    /// The format of a line.
    pub format: LogFormat<F>,
    /// Which of those that went well get a line.
    pub sample: SampleRate,
}

/// A log whose lines have fields `F`.
#[derive(Debug)]
pub struct LineLog<F> {
    format: LogFormat<F>,
    sample: SampleRate,
    writer: Arc<LogWriter>,
    /// One per worker, until it takes it.
    senders: Mutex<Vec<Option<LineSender>>>,
}

/// One worker's part.
#[derive(Debug)]
pub struct WorkerLines<F> {
    log: Arc<LineLog<F>>,
    sender: RefCell<LineSender>,
    sampler: Sampler,
    line: RefCell<Vec<u8>>,
}

impl<F: LogField> LineLog<F> {
    /// Opens the log of `workers` workers and starts its writer.
    ///
    /// # Errors
    /// It cannot be opened, or no thread can be started.
    pub fn start(config: LineLogConfig<F>, workers: NonZeroUsize) -> io::Result<Arc<Self>> {
        let LineLogConfig { target, format, sample } = config;
        let name = target.to_string();
        let failed = |error: io::Error| {
            let what_to_do = "choose a file in a directory that exists and may be written";
            io::Error::new(error.kind(), format!("access log {name}: {error}; {what_to_do}"))
        };
        let waker = Arc::<WriterWaker>::default();
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers.get()).map(|_| line_queue(&waker)).unzip();
        let writer = Arc::new(LogWriter::start(LogFile::open(target).map_err(failed)?, receivers, waker)?);
        let senders = Mutex::new(senders.into_iter().map(Some).collect());
        Ok(Arc::new(Self { format, sample, writer, senders }))
    }

    /// Its writer.
    pub fn writer(&self) -> &Arc<LogWriter> {
        &self.writer
    }

    /// Whether a line has this field; one that is not there need not be kept until the end.
    pub fn has(&self, field: F) -> bool {
        self.format.has(field)
    }

    /// The part of the worker with this id; `None` if it was taken before.
    pub fn for_worker(self: &Arc<Self>, worker_id: usize) -> Option<WorkerLines<F>> {
        let sender = self.senders.lock().unwrap_or_else(PoisonError::into_inner).get_mut(worker_id)?.take()?;
        let (sampler, line) = (Sampler::default(), RefCell::default());
        Some(WorkerLines { log: Arc::clone(self), sender: RefCell::new(sender), sampler, line })
    }
}

impl<F: LogField> WorkerLines<F> {
    /// Whether the next one gets a line: what did not go well always does.
    pub fn takes(&self, went_well: bool) -> bool {
        !went_well || self.sampler.take(self.log.sample)
    }

    /// Gives the writer a line.
    pub fn write(&self, entry: &F::Entry<'_>) {
        let mut line = self.line.borrow_mut();
        line.clear();
        self.log.format.write(&mut line, entry);
        line.push(b'\n');
        self.sender.borrow_mut().push(&line);
    }
}
