//! Filters: what a chapter, or you, add to a request's way through the balancer.
//!
//! WHEN TO USE IT: to refuse requests (limits, authentication), to add or remove response headers, to count. The names
//! are those of Envoy's and Pingora's filters. A [`Filter`] belongs to the process. Each worker gets a
//! [`WorkerFilter`] from it, which only that worker's thread calls: its counters need no atomics. Filters compose as
//! tuples: `(limits, (metrics, log))`. Without a filter, `()`, all of this compiles to nothing.

use std::{fmt::Debug, net::IpAddr, time::Instant};

use advanced_features::routing::RequestInfo;
use common::http::{HeaderEdits, HttpDate, LocalReply, ResponseHook, ResponseInfo, Throttle};

use crate::request::{attempt_record::AttemptRecord, ended_request::EndedRequest};

/// What a filter holds for as long as a connection is open, such as a slot of a limit. Dropped when it closes.
pub type ConnectionPermit = Option<Box<dyn Debug>>;

/// A filter does not let the connection in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionRefused;

/// A filter of the process, from which each worker gets its own.
pub trait Filter: Debug + Send + Sync + 'static {
    /// The part that one worker calls.
    type Worker: WorkerFilter;

    /// Whether it looks at [`RequestInfo::path`]. Paths are normalized then and forwarded so, and ambiguous ones are
    /// answered with 400, as with routing rules: a backend must not see another path than the filter. Asked at each
    /// request.
    fn inspects_path(&self) -> bool {
        false
    }

    /// A client has connected; `peer` is the address of its socket, or the one that the connection's
    /// [`AcceptPrelude`](crate::AcceptPrelude) has named. Called by several workers at once; it must not block.
    ///
    /// # Errors
    /// The connection is closed without an answer: what it would have asked is not known.
    #[expect(unused_variables, reason = "a filter that takes every connection")]
    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        Ok(None)
    }

    /// What limits the bandwidth of a connection that was let in, and has sent nothing yet. With `None`, each poll
    /// of its socket costs one branch more. In a tuple, the slower one decides.
    #[expect(unused_variables, reason = "a filter that does not limit it")]
    fn throttle(&self, peer: IpAddr) -> Option<Box<dyn Throttle>> {
        None
    }

    /// The part for the worker with this id, called on that worker's thread. Ids count from 0.
    fn for_worker(&self, worker_id: usize) -> Self::Worker;
}

/// One worker's part of a filter.
///
/// Calls for one request, in this order:
/// 1. [`on_request`](Self::on_request), once its head has been parsed and routed. Not for an invalid head.
/// 2. [`on_attempt`](Self::on_attempt), at the end of each attempt on a backend.
/// 3. [`on_response_head`](Self::on_response_head), when the final response head is about to be sent, a backend's or
///    our own. Not if the client leaves before. It comes before `on_attempt` for the attempt whose response it is.
/// 4. [`on_end`](Self::on_end), exactly once: also for an invalid head, and when the connection's task is dropped.
/// 5. [`reset`](Self::reset).
///
/// All of them run on the worker's thread between two waits, so none may block, and what they take is added to every
/// other client's latency. A panic closes the client's connection and ends the request; a second one while the request
/// ends is a panic during a panic, which ends the process.
pub trait WorkerFilter: Debug + 'static {
    /// What the filter keeps of one request. It lives in the recycled memory of requests: see
    /// [`reset`](Self::reset).
    type State: Debug + Default;

    /// Of how many requests one has its [`own_time`](EndedRequest::own_time) measured: 1 for each of them, 0 for none.
    /// Measuring it takes one more reading of the clock per attempt.
    const OWN_TIME_SAMPLE: u32 = 0;

    /// A request has been routed, and its head is still there. `Err` refuses it: the reply is sent once the relay has
    /// dealt with the rest of the request. In a tuple, the filters behind the one that refuses are not asked.
    #[expect(unused_variables, reason = "a filter without this step")]
    fn on_request(&self, state: &mut Self::State, request: &RequestInfo<'_>, now: Instant) -> Result<(), LocalReply> {
        Ok(())
    }

    /// The head of the final response is about to be written: a backend's, a 101, or a local reply, also the answer to
    /// an invalid head. Not called for interim responses (1xx), nor for an attempt that is retried.
    #[expect(unused_variables, reason = "a filter without this step")]
    fn on_response_head(&self, state: &mut Self::State, response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {}

    /// An attempt has ended: its connect failed, or its exchange ended, or failed and is retried.
    #[expect(unused_variables, reason = "a filter without this step")]
    fn on_attempt(&self, state: &mut Self::State, attempt: &AttemptRecord) {}

    /// The request has ended. In a tuple, all filters are called, whichever refused it.
    #[expect(unused_variables, reason = "a filter without this step")]
    fn on_end(&self, state: &mut Self::State, ended: &EndedRequest<'_>) {}

    /// Clears the state for the next request, and releases what it holds. A state with buffers should keep their
    /// memory.
    fn reset(&self, state: &mut Self::State) {
        *state = Self::State::default();
    }
}

impl Filter for () {
    type Worker = ();

    fn for_worker(&self, _worker_id: usize) {}
}

impl WorkerFilter for () {
    type State = ();
}

impl<A: Filter, B: Filter> Filter for (A, B) {
    type Worker = (A::Worker, B::Worker);

    fn inspects_path(&self) -> bool {
        self.0.inspects_path() || self.1.inspects_path()
    }

    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        Ok(match (self.0.on_connection(peer)?, self.1.on_connection(peer)?) {
            (Some(first), Some(second)) => Some(Box::new((first, second))),
            (one, other) => one.or(other),
        })
    }

    fn throttle(&self, peer: IpAddr) -> Option<Box<dyn Throttle>> {
        match (self.0.throttle(peer), self.1.throttle(peer)) {
            (Some(first), Some(second)) => Some(Box::new((first, second))),
            (one, other) => one.or(other),
        }
    }

    fn for_worker(&self, worker_id: usize) -> Self::Worker {
        (self.0.for_worker(worker_id), self.1.for_worker(worker_id))
    }
}

impl<A: WorkerFilter, B: WorkerFilter> WorkerFilter for (A, B) {
    type State = (A::State, B::State);

    const OWN_TIME_SAMPLE: u32 = match (A::OWN_TIME_SAMPLE, B::OWN_TIME_SAMPLE) {
        (0, sample) | (sample, 0) => sample,
        (one, other) => {
            if one < other {
                one
            } else {
                other
            }
        }
    };

    fn on_request(&self, state: &mut Self::State, request: &RequestInfo<'_>, now: Instant) -> Result<(), LocalReply> {
        self.0.on_request(&mut state.0, request, now)?;
        self.1.on_request(&mut state.1, request, now)
    }

    fn on_response_head(&self, state: &mut Self::State, response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {
        self.0.on_response_head(&mut state.0, response, edits);
        self.1.on_response_head(&mut state.1, response, edits);
    }

    #[inline] // so that a record that no filter reads is never made
    fn on_attempt(&self, state: &mut Self::State, attempt: &AttemptRecord) {
        self.0.on_attempt(&mut state.0, attempt);
        self.1.on_attempt(&mut state.1, attempt);
    }

    fn on_end(&self, state: &mut Self::State, ended: &EndedRequest<'_>) {
        self.0.on_end(&mut state.0, ended);
        self.1.on_end(&mut state.1, ended);
    }

    fn reset(&self, state: &mut Self::State) {
        self.0.reset(&mut state.0);
        self.1.reset(&mut state.1);
    }
}

/// A filter and its state, as the pump calls them for one request, and the worker's date.
pub(crate) struct FilterHook<'a, W: WorkerFilter, D: FnMut() -> HttpDate> {
    pub(crate) filter: &'a W,
    pub(crate) state: &'a mut W::State,
    pub(crate) date: D,
}

impl<W: WorkerFilter, D: FnMut() -> HttpDate> ResponseHook for FilterHook<'_, W, D> {
    fn date(&mut self) -> HttpDate {
        (self.date)()
    }

    fn on_response_head(&mut self, response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {
        self.filter.on_response_head(self.state, response, edits);
    }
}
