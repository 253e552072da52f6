//! The filter that writes the access log, and keeps the requests that were slow or failed.

use std::{
    cell::RefCell,
    io,
    num::NonZeroUsize,
    sync::Arc,
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
    line_log::{LineLog, LineLogConfig, WorkerLines},
    names::{BackendNames, Names},
    recent::RecentRequests,
    request_text::{Capture, RequestText},
    timestamp::LogClock,
    writer::LogWriter,
};
use crate::end::{Code, End, is_failed};

/// What is logged, and where.
#[derive(Clone, Debug)]
pub struct AccessLogConfig {
    /// `None`: there is no log.
    pub lines: Option<LineLogConfig<Field>>,
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
        Self { lines: None, redact_query: false, keeps_recent: false, slow: Duration::from_secs(1) }
    }
}

/// The access log, as a [`Filter`]. Clones share it.
#[derive(Clone, Debug)]
pub struct AccessLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    names: Names,
    lines: Option<Arc<LineLog<Field>>>,
    /// Of recent requests.
    json: LogFormat<Field>,
    capture: Capture,
    slow: Duration,
    recent: Option<RecentRequests>,
}

/// One worker's part.
#[derive(Debug)]
pub struct WorkerLog {
    shared: Arc<Shared>,
    worker_id: usize,
    /// Neither a log nor a list of recent requests: nothing is kept of a request.
    is_off: bool,
    lines: Option<WorkerLines<Field>>,
    backends: RefCell<BackendNames>,
    clock: LogClock,
    /// Memory for a recent request.
    recent_line: RefCell<Vec<u8>>,
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
        let AccessLogConfig { lines, redact_query, keeps_recent, slow } = config;
        let lines = lines.map(|config| LineLog::start(config, workers)).transpose()?;
        let capture = Capture { referer: lines.as_ref().is_some_and(|log| log.has(Field::Referer)), redact_query };
        let recent = keeps_recent.then(|| RecentRequests::new(workers.get()));
        Ok(Self(Arc::new(Shared { names, lines, json: LogFormat::json(), capture, slow, recent })))
    }

    /// The writer; `None` without a log.
    pub fn writer(&self) -> Option<&Arc<LogWriter>> {
        self.0.lines.as_ref().map(|log| log.writer())
    }

    /// The requests that were slow or failed, if they are kept.
    pub fn recent(&self) -> Option<&RecentRequests> {
        self.0.recent.as_ref()
    }
}

impl Filter for AccessLog {
    type Worker = WorkerLog;

    fn for_worker(&self, worker_id: usize) -> WorkerLog {
        let lines = self.0.lines.as_ref().and_then(|log| log.for_worker(worker_id));
        WorkerLog {
            is_off: lines.is_none() && self.0.recent.is_none(),
            shared: Arc::clone(&self.0),
            worker_id,
            lines,
            backends: RefCell::default(),
            clock: LogClock::default(),
            recent_line: RefCell::default(),
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
        let Shared { slow, recent, .. } = &*self.shared;
        let exchange = ended.exchange;
        let (end, total) = (End::of(exchange), exchange.times.total);
        let went_well = end == End::Done && exchange.status < 500;
        let lines = self.lines.as_ref().filter(|lines| lines.takes(went_well));
        // An upgraded connection is not slow because it is used for long.
        let is_slow = total >= *slow && exchange.status != SWITCHING_PROTOCOLS;
        let is_recent = recent.is_some() && (is_slow || is_failed(Code::of(exchange), end));
        if lines.is_some() || is_recent {
            self.write(state, ended, end, lines, is_recent);
        }
    }

    fn write(
        &self,
        state: &LogState,
        ended: &EndedRequest<'_>,
        end: End,
        lines: Option<&WorkerLines<Field>>,
        is_recent: bool,
    ) {
        let Shared { names, json, recent, .. } = &*self.shared;
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
        if let Some(lines) = lines {
            lines.write(&entry);
        }
        if let Some(recent) = recent.as_ref().filter(|_| is_recent) {
            let mut line = self.recent_line.borrow_mut();
            line.clear();
            json.write(&mut line, &entry);
            recent.push(self.worker_id, ended_at, &line);
        }
    }
}
