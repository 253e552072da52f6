//! The filter that writes the access log, and keeps the requests that were slow or failed.

use std::{
    cell::RefCell,
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use common::{
    clock::wall_clock,
    http::{BackendId, HeaderEdits, LimitId, LocalReply, ResponseInfo},
};
use connection_pooling::{AttemptRecord, EndedRequest, Filter, RequestInfo, WorkerFilter};

use super::{
    entry::Entry,
    field::Field,
    format::LogFormat,
    line_queue::{LineSender, WriterWaker, line_queue},
    log_file::{LogFile, Target},
    names::{BackendNames, Names},
    recent::RecentRequests,
    request_text::{Capture, RequestText},
    sampling::{SampleRate, Sampler},
    timestamp::LogClock,
    writer::LogWriter,
};
use crate::end::{Code, End, is_failed};

/// What is logged, and where.
#[derive(Clone, Debug)]
pub struct AccessLogConfig {
    /// `None`: there is no log.
    pub target: Option<Target>,
    /// The format of a line.
    pub format: LogFormat,
    /// Which requests that went well get a line.
    pub sample: SampleRate,
    /// No queries, in no URL.
    pub redact_query: bool,
    /// Whether requests that were slow or failed are kept.
    pub keeps_recent: bool,
    /// From when on a request is slow.
    pub slow: Duration,
}

impl Default for AccessLogConfig {
    /// Nothing is logged, and nothing kept.
    fn default() -> Self {
        Self {
            target: None,
            format: LogFormat::json(),
            sample: SampleRate::ALL,
            redact_query: false,
            keeps_recent: false,
            slow: Duration::from_secs(1),
        }
    }
}

/// The access log, as a [`Filter`]. Clones share it.
#[derive(Clone, Debug)]
pub struct AccessLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    names: Names,
    format: LogFormat,
    /// Of recent requests.
    json: LogFormat,
    sample: SampleRate,
    capture: Capture,
    slow: Duration,
    writer: Option<LogWriter>,
    recent: Option<RecentRequests>,
    /// One per worker, until it takes it; none without a log.
    senders: Mutex<Vec<Option<LineSender>>>,
}

/// One worker's part.
#[derive(Debug)]
pub struct WorkerLog {
    shared: Arc<Shared>,
    worker_id: usize,
    /// Neither a log nor a list of recent requests: nothing is kept of a request.
    is_off: bool,
    sender: Option<RefCell<LineSender>>,
    backends: RefCell<BackendNames>,
    clock: LogClock,
    sampler: Sampler,
    line: RefCell<Vec<u8>>,
}

/// What is kept of a request until its end.
#[derive(Debug, Default)]
pub struct LogState {
    text: RequestText,
    attempts: u8,
    backend: Option<BackendId>,
    connect: Option<Duration>,
    limit: Option<LimitId>,
}

impl AccessLog {
    /// Opens the log of `workers` workers and starts its writer.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn start(config: AccessLogConfig, names: Names, workers: NonZeroUsize) -> io::Result<Self> {
        let AccessLogConfig { target, format, sample, redact_query, keeps_recent, slow } = config;
        let mut senders = Vec::new();
        let writer = target.map(|target| start_writer(target, workers, &mut senders)).transpose()?;
        let capture = Capture { referer: writer.is_some() && format.has(Field::Referer), redact_query };
        let recent = keeps_recent.then(|| RecentRequests::new(workers.get()));
        let senders = Mutex::new(senders);
        Ok(Self(Arc::new(Shared {
            names,
            format,
            json: LogFormat::json(),
            sample,
            capture,
            slow,
            writer,
            recent,
            senders,
        })))
    }

    /// The writer; `None` without a log.
    pub fn writer(&self) -> Option<&LogWriter> {
        self.0.writer.as_ref()
    }

    /// The requests that were slow or failed, if they are kept.
    pub fn recent(&self) -> Option<&RecentRequests> {
        self.0.recent.as_ref()
    }
}

fn start_writer(target: Target, workers: NonZeroUsize, senders: &mut Vec<Option<LineSender>>) -> io::Result<LogWriter> {
    let name = target.to_string();
    let failed = |error: io::Error| {
        let what_to_do = "choose a file in a directory that exists and may be written";
        io::Error::new(error.kind(), format!("access log {name}: {error}; {what_to_do}"))
    };
    let waker = Arc::<WriterWaker>::default();
    let (ends, receivers): (Vec<_>, Vec<_>) = (0..workers.get()).map(|_| line_queue(&waker)).unzip();
    senders.extend(ends.into_iter().map(Some));
    LogWriter::start(LogFile::open(target).map_err(failed)?, receivers, waker)
}

impl Filter for AccessLog {
    type Worker = WorkerLog;

    fn for_worker(&self, worker_id: usize) -> WorkerLog {
        let mut senders = self.0.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = senders.get_mut(worker_id).and_then(Option::take).map(RefCell::new);
        WorkerLog {
            is_off: sender.is_none() && self.0.recent.is_none(),
            shared: Arc::clone(&self.0),
            worker_id,
            sender,
            backends: RefCell::default(),
            clock: LogClock::default(),
            sampler: Sampler::default(),
            line: RefCell::default(),
        }
    }
}

impl WorkerFilter for WorkerLog {
    type State = LogState;

    #[inline]
    fn on_request(&self, state: &mut LogState, request: &RequestInfo<'_>, _now: Instant) -> Result<(), LocalReply> {
        if !self.is_off {
            state.text.capture(request, self.shared.capture);
        }
        Ok(())
    }

    #[inline]
    fn on_response_head(&self, state: &mut LogState, response: &ResponseInfo<'_>, _edits: &mut HeaderEdits<'_>) {
        if let Some(reply) = response.local_reply.filter(|_| !self.is_off) {
            state.limit = reply.limit;
        }
    }

    #[inline]
    fn on_attempt(&self, state: &mut LogState, attempt: &AttemptRecord) {
        if self.is_off {
            return;
        }
        state.attempts = state.attempts.saturating_add(1);
        state.backend = Some(attempt.backend);
        if !attempt.reused {
            state.connect = attempt.connect_time();
        }
    }

    #[inline]
    fn on_end(&self, state: &mut LogState, ended: &EndedRequest<'_>) {
        if !self.is_off {
            self.log(state, ended);
        }
    }

    #[inline]
    fn reset(&self, state: &mut LogState) {
        if !self.is_off {
            state.text.clear();
            (state.attempts, state.backend, state.connect, state.limit) = (0, None, None, None);
        }
    }
}

impl WorkerLog {
    fn log(&self, state: &LogState, ended: &EndedRequest<'_>) {
        const SWITCHING_PROTOCOLS: u16 = 101;
        let Shared { sample, slow, recent, .. } = &*self.shared;
        let exchange = ended.exchange;
        let (end, total) = (End::of(exchange), exchange.times.total);
        let went_well = end == End::Done && exchange.status < 500;
        let gets_line = self.sender.is_some() && (!went_well || self.sampler.take(*sample));
        // An upgraded connection is not slow because it is used for long.
        let is_slow = total >= *slow && exchange.status != SWITCHING_PROTOCOLS;
        let is_recent = recent.is_some() && (is_slow || is_failed(Code::of(exchange), end));
        if gets_line || is_recent {
            self.write(state, ended, end, gets_line, is_recent);
        }
    }

    fn write(&self, state: &LogState, ended: &EndedRequest<'_>, end: End, gets_line: bool, is_recent: bool) {
        let Shared { names, format, json, recent, .. } = &*self.shared;
        let (exchange, mut backends) = (ended.exchange, self.backends.borrow_mut());
        let ended_at = ended.started_at + exchange.times.total;
        let entry = Entry {
            text: &state.text,
            exchange,
            time: self.clock.timestamp(ended.started_at, ended_at, wall_clock),
            peer: ended.peer,
            route: names.route(state.text.head.is_some(), exchange.route),
            group: names.group(exchange.group),
            backend: state.backend.map_or("", |id| backends.name(names, id)),
            limit: names.limit(state.limit),
            attempts: state.attempts,
            connect: state.connect,
            client_bytes: ended.client_bytes,
            end,
        };
        let mut line = self.line.borrow_mut();
        if let Some(sender) = self.sender.as_ref().filter(|_| gets_line) {
            line.clear();
            format.write(&mut line, &entry);
            line.push(b'\n');
            sender.borrow_mut().push(&line);
        }
        if let Some(recent) = recent.as_ref().filter(|_| is_recent) {
            line.clear();
            json.write(&mut line, &entry);
            recent.push(self.worker_id, ended_at, &line);
        }
    }
}
