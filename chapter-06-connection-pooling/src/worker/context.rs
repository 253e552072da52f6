//! What all connections of a worker share. Nothing is locked, because no other thread has access.

use std::{
    cell::{Cell, RefCell},
    fmt,
    net::{IpAddr, TcpStream as StdStream},
    sync::Arc,
    time::Instant,
};

use advanced_features::Balancer;
use common::{
    clock::wall_clock,
    http::{
        ConnectionThrottle, DateCache, Head, HttpDate, Pause, ProxyError, Pumped, READ_BUFFER_BYTES, Relay,
        ThrottledWire, Wire, pump_throttled, pump_with_hook,
    },
    shutdown::ShutdownStage,
};

use crate::{
    accept_prelude::AcceptPrelude as _,
    engine::{Engine, FilterState, WorkerFilterOf, WorkerSpliceOf},
    filter::{Filter as _, FilterHook, WorkerFilter as _},
    pool::{ConnectionPool as _, PoolCounters},
    request::state::Request,
    server::Server,
    splice::{Splice as _, WorkerSplice as _},
    worker::{backend_pools::Evictions, stats::WorkerStats, thread::WorkerThread},
};

/// How many boxed requests are kept for reuse. More than that are in use only in a burst.
const MAX_FREE_REQUESTS: usize = 1024;

/// The state of one worker that serves HTTP.
pub(crate) struct WorkerContext<E: Engine> {
    pub(crate) server: Arc<Server<E::Filter, E::Pool>>,
    /// The thread that it belongs to.
    pub(crate) thread: WorkerThread,
    /// Makes the layer over a client's socket.
    stream_layer: StreamLayerFactory<E>,
    /// What comes before a client's first request.
    pub(crate) prelude: Arc<E::Prelude>,
    /// This worker's part of the filter.
    pub(crate) filter: WorkerFilterOf<E>,
    /// What moves large bodies.
    pub(crate) splice: WorkerSpliceOf<E>,
    pub(crate) pool: RefCell<E::Pool>,
    /// What the pool did not keep.
    pub(crate) evictions: RefCell<Evictions>,
    /// The parsed request head; none outlives the poll that reads it.
    pub(crate) head: RefCell<Head>,
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// Boxed requests for reuse: each is taken for as long as a request lasts.
    free_requests: RefCell<Vec<Box<Request<E>>>>,
    date_cache: DateCache,
    /// Requests since the last one whose own time was measured.
    own_time_skipped: Cell<u32>,
}

/// Makes the layer over a client's socket.
pub(crate) type StreamLayerFactory<E> = Arc<dyn Fn() -> <E as Engine>::StreamLayer + Send + Sync>;

impl<E: Engine> fmt::Debug for WorkerContext<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WorkerContext").field("thread", &self.thread).finish_non_exhaustive()
    }
}

impl<E: Engine> WorkerContext<E> {
    /// The part of `server` on `thread`.
    pub(crate) fn new(
        server: Arc<Server<E::Filter, E::Pool>>,
        stream_layer: StreamLayerFactory<E>,
        prelude: Arc<E::Prelude>,
        splice: &E::Splice,
        thread: WorkerThread,
    ) -> Self {
        let pool = RefCell::new(E::Pool::new(server.worker_limits()));
        Self {
            filter: server.filter.for_worker(thread.id()),
            splice: splice.for_worker(thread.id()),
            server,
            thread,
            stream_layer,
            prelude,
            pool,
            evictions: RefCell::default(),
            head: RefCell::new(Head::new()),
            scratch: RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice()),
            free_requests: RefCell::default(),
            date_cache: DateCache::default(),
            own_time_skipped: Cell::new(0),
        }
    }

    /// The balancer, which chooses backends.
    pub(crate) fn balancer(&self) -> &Balancer {
        self.thread.balancer()
    }

    /// Its index among the workers.
    pub(crate) fn worker_id(&self) -> usize {
        self.thread.id()
    }

    /// The counters of this worker's pool.
    pub(crate) fn pool_counters(&self) -> &PoolCounters {
        &self.server.pool_counters[self.thread.id()]
    }

    /// The statistics of this worker.
    pub(crate) fn stats(&self) -> &WorkerStats {
        self.thread.stats()
    }

    /// An id for a connection, unique in the process until it wraps.
    pub(crate) fn next_connection_id(&self) -> u32 {
        self.thread.handoff().per_worker.next_connection_id()
    }

    /// The layer over a new client's socket.
    pub(crate) fn new_stream_layer(&self) -> E::StreamLayer {
        (self.stream_layer)()
    }

    /// Whether a prelude comes before the first request of a connection of `peer`.
    #[inline]
    pub(crate) fn expects_prelude(&self, peer: IpAddr) -> bool {
        self.prelude.is_expected_from(peer.to_canonical())
    }

    /// The time at which a poll of a client's task begins: each poll reads the clock here, once.
    #[inline]
    pub(crate) fn begin_poll(&self) -> Instant {
        self.thread.begin_poll()
    }

    /// The pool that all workers share.
    pub(crate) fn shared_pool(&self) -> &crate::pool::SharedPool<StdStream> {
        &self.server.shared_pool
    }

    /// The date at `now`, of a local reply.
    pub(crate) fn date(&self, now: Instant) -> HttpDate {
        self.date_cache.at(now, wall_clock)
    }

    /// Moves the bytes that can be moved at `now` between the two sockets of an exchange, whose filter state is `state`.
    #[inline]
    pub(crate) fn pump(
        &self,
        relay: &mut Relay,
        state: &mut FilterState<E>,
        now: Instant,
        mut client: impl Wire,
        throttle: Option<&mut ConnectionThrottle>,
        upstream: &mut impl Wire,
    ) -> Result<Pumped<Pause>, ProxyError> {
        if let Some(throttle) = throttle {
            return self.pump_throttled(relay, state, now, ThrottledWire::new(client, throttle, now), upstream);
        }
        let mut hook = FilterHook { filter: &self.filter, state, date: || self.date(now) };
        pump_with_hook(relay, &mut client, upstream, &mut self.scratch.borrow_mut(), &mut hook)
    }

    #[cold]
    fn pump_throttled(
        &self,
        relay: &mut Relay,
        state: &mut FilterState<E>,
        now: Instant,
        mut client: ThrottledWire<'_, impl Wire>,
        upstream: &mut impl Wire,
    ) -> Result<Pumped<Pause>, ProxyError> {
        let mut hook = FilterHook { filter: &self.filter, state, date: || self.date(now) };
        pump_throttled(relay, &mut client, upstream, &mut self.scratch.borrow_mut(), &mut hook)
    }

    /// The stage of the shutdown.
    pub(crate) fn stage(&self) -> ShutdownStage {
        self.thread.stage()
    }

    /// When the process began to drain.
    pub(crate) fn drain_started_at(&self) -> Option<Instant> {
        self.thread.drain_started_at()
    }

    /// A boxed request of `peer` that began at `started`. A reused one keeps the capacity of its buffers.
    pub(crate) fn take_request(&self, peer: IpAddr, started: Instant, now: Instant) -> Box<Request<E>> {
        let mut request = self.free_requests.borrow_mut().pop().unwrap_or_else(|| Box::new(Request::new(now)));
        (request.peer, request.started_at, request.polled_at, request.first_byte_at) = (peer, started, now, None);
        request.head_bytes = 0;
        request.own_time.restart(self.is_own_time_measured());
        request
    }

    /// Whether the own time of the next request is measured: that of the first one is, and then of one in as many as the
    /// filters say.
    fn is_own_time_measured(&self) -> bool {
        let sample = <WorkerFilterOf<E>>::OWN_TIME_SAMPLE;
        let skipped = self.own_time_skipped.get();
        self.own_time_skipped.set(if skipped + 1 >= sample { 0 } else { skipped + 1 });
        sample > 0 && skipped == 0
    }

    /// Takes back a request that has ended.
    pub(crate) fn recycle_request(&self, mut request: Box<Request<E>>) {
        // One by one: as a tuple, all of a request's memory would be written for the sake of a few bytes.
        request.ctx = None;
        request.attempt = None;
        request.refusal = None;
        self.filter.reset(&mut request.filter_state);
        self.splice.reset(&mut request.splice_state);
        let mut free = self.free_requests.borrow_mut();
        if free.len() < MAX_FREE_REQUESTS {
            free.push(request);
        }
    }
}
