//! What all connections of a worker share. Nothing is locked, because no other thread has access.

use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, TcpStream as StdStream},
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

use advanced_features::Balancer;
use common::{
    clock::{now, wall_clock},
    http::{
        ConnectionThrottle, DateCache, Head, HttpDate, Pause, ProxyError, Pumped, READ_BUFFER_BYTES, Relay,
        ThrottledWire, Wire, pump_throttled, pump_with_hook,
    },
    shutdown::ShutdownStage,
};
use slab::Slab;

use crate::{
    downstream::handoff::ConnectionHandoff,
    engine::{Engine, FilterState, WorkerFilterOf},
    filter::{Filter as _, FilterHook, WorkerFilter as _},
    pool::{ConnectionPool as _, PoolCounters},
    request::state::Request,
    server::Server,
    worker::{backend_pools::Evictions, longest_poll::LongestPoll, stats::WorkerStats},
};

/// How many boxed requests are kept for reuse. More than that are in use only in a burst.
const MAX_FREE_REQUESTS: usize = 1024;

/// The state of one worker.
#[derive(Debug)]
pub(crate) struct WorkerContext<E: Engine> {
    pub(crate) server: Arc<Server<E::Filter, E::Pool>>,
    /// Its index among the workers.
    pub(crate) worker_id: usize,
    /// This worker's part of the filter.
    pub(crate) filter: WorkerFilterOf<E>,
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
    longest_poll: Arc<LongestPoll>,
    stage: Cell<ShutdownStage>,
    /// When the process began to drain.
    pub(crate) drain_started_at: Cell<Option<Instant>>,
    /// The wakers of all tasks that the shutdown has to reach: one per client, and the accept loop.
    tasks: RefCell<Slab<Option<Waker>>>,
    /// Woken when the last of these tasks has ended.
    empty_waker: RefCell<Option<Waker>>,
}

impl<E: Engine> WorkerContext<E> {
    /// The worker with the index `worker_id`.
    pub(crate) fn new(server: Arc<Server<E::Filter, E::Pool>>, worker_id: usize) -> Self {
        let pool = RefCell::new(E::Pool::new(server.worker_limits()));
        Self {
            filter: server.filter.for_worker(worker_id),
            longest_poll: Arc::clone(server.worker_stats[worker_id].longest_poll()),
            server,
            worker_id,
            pool,
            evictions: RefCell::default(),
            head: RefCell::new(Head::new()),
            scratch: RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice()),
            free_requests: RefCell::default(),
            date_cache: DateCache::default(),
            own_time_skipped: Cell::new(0),
            stage: Cell::new(ShutdownStage::Running),
            drain_started_at: Cell::new(None),
            tasks: RefCell::default(),
            empty_waker: RefCell::default(),
        }
    }

    /// The balancer, which chooses backends.
    pub(crate) fn balancer(&self) -> &Balancer {
        &self.server.balancer
    }

    /// The connection limit, and the hand-off to other workers.
    pub(crate) fn handoff(&self) -> &ConnectionHandoff {
        &self.server.handoff
    }

    /// The counters of this worker's pool.
    pub(crate) fn pool_counters(&self) -> &PoolCounters {
        &self.server.pool_counters[self.worker_id]
    }

    /// The statistics of this worker.
    pub(crate) fn stats(&self) -> &WorkerStats {
        &self.server.worker_stats[self.worker_id]
    }

    /// The time at which a poll of a client's task begins: each poll reads the clock here, once.
    #[inline]
    pub(crate) fn begin_poll(&self) -> Instant {
        let now = now();
        self.longest_poll.begin(now);
        now
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
        self.stage.get()
    }

    /// Sets the stage of the shutdown, and wakes every task.
    pub(crate) fn set_stage(&self, stage: ShutdownStage, now: Instant) {
        self.stage.set(stage);
        self.drain_started_at.set(self.drain_started_at.get().or(Some(now)));
        // Collected first: waking may drop a task, which borrows `tasks`.
        let wakers: Vec<_> = self.tasks.borrow().iter().filter_map(|(_, waker)| waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Registers a task that the shutdown has to reach.
    pub(crate) fn register(&self) -> usize {
        self.tasks.borrow_mut().insert(None)
    }

    /// Stores the task's waker, in its first poll.
    pub(crate) fn set_waker(&self, task_id: usize, context: &Context<'_>) {
        let mut tasks = self.tasks.borrow_mut();
        if let Some(waker @ None) = tasks.get_mut(task_id) {
            *waker = Some(context.waker().clone());
        }
    }

    /// Unregisters a task that has ended.
    pub(crate) fn unregister(&self, task_id: usize) {
        let is_last = {
            let mut tasks = self.tasks.borrow_mut();
            tasks.remove(task_id);
            tasks.is_empty()
        };
        if is_last && let Some(waker) = self.empty_waker.take() {
            waker.wake();
        }
    }

    /// Whether no task is left; otherwise the task of `context` is woken when the last one has ended.
    pub(crate) fn is_empty(&self, context: &Context<'_>) -> bool {
        self.empty_waker.replace(Some(context.waker().clone()));
        self.tasks.borrow().is_empty()
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
        let mut free = self.free_requests.borrow_mut();
        if free.len() < MAX_FREE_REQUESTS {
            free.push(request);
        }
    }
}
