//! What all connections of a worker share. None of it is locked, for nobody else has it.

use std::{
    cell::{Cell, RefCell},
    net::TcpStream as StdStream,
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

use advanced_features::Balancer;
use common::{
    http::{Head, READ_BUFFER_BYTES},
    shutdown::ShutdownStage,
};
use slab::Slab;
use tokio::net::TcpStream;

use crate::{
    downstream::handoff::ConnectionHandoff,
    pool::{IdlePool, PoolCounters},
    request::state::Request,
    server::Server,
};

/// How many boxes for requests are kept. More were in use at once only for a moment.
const MAX_FREE_REQUESTS: usize = 1024;

/// One worker's own things.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) server: Arc<Server>,
    /// Which one it is.
    pub(crate) worker_id: usize,
    pub(crate) pool: RefCell<IdlePool<TcpStream>>,
    /// For the request head at hand; none outlives the poll that reads it.
    pub(crate) head: RefCell<Head>,
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// Boxes for requests: lent for as long as a request lasts.
    #[expect(clippy::vec_box, reason = "the box itself is recycled, so it is not allocated again")]
    free_requests: RefCell<Vec<Box<Request>>>,
    stage: Cell<ShutdownStage>,
    /// Since when the process drains.
    pub(crate) drain_started_at: Cell<Option<Instant>>,
    /// Every task that has to hear of the end: its clients', and its listener's.
    tasks: RefCell<Slab<Option<Waker>>>,
    /// Who waits for the last of them to end.
    empty_waker: RefCell<Option<Waker>>,
}

impl WorkerContext {
    /// The worker with the number `place`.
    pub(crate) fn new(server: Arc<Server>, worker_id: usize) -> Self {
        let pool = RefCell::new(IdlePool::new(server.worker_limits()));
        Self {
            server,
            worker_id,
            pool,
            head: RefCell::new(Head::new()),
            scratch: RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice()),
            free_requests: RefCell::default(),
            stage: Cell::new(ShutdownStage::Running),
            drain_started_at: Cell::new(None),
            tasks: RefCell::default(),
            empty_waker: RefCell::default(),
        }
    }

    /// What decides.
    pub(crate) fn balancer(&self) -> &Balancer {
        &self.server.balancer
    }

    /// The clients of all workers.
    pub(crate) fn handoff(&self) -> &ConnectionHandoff {
        &self.server.handoff
    }

    /// What has become of this worker's connections to backends.
    pub(crate) fn pool_counters(&self) -> &PoolCounters {
        &self.server.pool_counters[self.worker_id]
    }

    /// Where surplus connections lie.
    pub(crate) fn shared_pool(&self) -> &crate::pool::SharedPool<StdStream> {
        &self.server.shared_pool
    }

    /// How far the process is on its way out.
    pub(crate) fn stage(&self) -> ShutdownStage {
        self.stage.get()
    }

    /// The process has come so far on its way out: tells every task.
    pub(crate) fn set_stage(&self, stage: ShutdownStage, now: Instant) {
        self.stage.set(stage);
        self.drain_started_at.set(self.drain_started_at.get().or(Some(now)));
        // Not while they are woken: a waker may drop a task.
        let wakers: Vec<_> = self.tasks.borrow().iter().filter_map(|(_, waker)| waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A task begins that has to hear of the end.
    pub(crate) fn register(&self) -> usize {
        self.tasks.borrow_mut().insert(None)
    }

    /// This is where it is to be woken: said with its first poll.
    pub(crate) fn set_waker(&self, task_id: usize, context: &Context<'_>) {
        let mut tasks = self.tasks.borrow_mut();
        if let Some(waker @ None) = tasks.get_mut(task_id) {
            *waker = Some(context.waker().clone());
        }
    }

    /// It has ended.
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

    /// Whether none is left; else the task of `context` is woken when the last one has ended.
    pub(crate) fn is_empty(&self, context: &Context<'_>) -> bool {
        self.empty_waker.replace(Some(context.waker().clone()));
        self.tasks.borrow().is_empty()
    }

    /// A box for a request that began at `started`, with the memory that it has grown before.
    pub(crate) fn take_request(&self, started: Instant, now: Instant) -> Box<Request> {
        let mut request = self.free_requests.borrow_mut().pop().unwrap_or_else(|| Box::new(Request::new(started)));
        (request.started_at, request.polled_at, request.first_byte_at) = (started, now, None);
        request
    }

    /// The request is over.
    pub(crate) fn recycle_request(&self, mut request: Box<Request>) {
        (request.ctx, request.attempt) = (None, None);
        let mut spare = self.free_requests.borrow_mut();
        if spare.len() < MAX_FREE_REQUESTS {
            spare.push(request);
        }
    }
}
