//! The state of one worker thread that does not depend on what it serves: its id, how far the shutdown has come, and
//! the tasks that the shutdown has to reach. Nothing is locked, because no other thread has access.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

use advanced_features::Balancer;
use common::{clock::now, shutdown::ShutdownStage};
use slab::Slab;

use super::{longest_poll::LongestPoll, stats::WorkerStats, workers::Workers};
use crate::downstream::handoff::ConnectionHandoff;

/// The state of one worker thread. Its [`Service`](super::service::Service) owns it.
#[derive(Debug)]
pub struct WorkerThread {
    workers: Arc<Workers>,
    id: usize,
    longest_poll: Arc<LongestPoll>,
    stage: Cell<ShutdownStage>,
    drain_started_at: Cell<Option<Instant>>,
    /// The wakers of all tasks that the shutdown has to reach: one per client, and the accept loop.
    tasks: RefCell<Slab<Option<Waker>>>,
    /// Woken when the last of these tasks has ended.
    empty_waker: RefCell<Option<Waker>>,
}

impl WorkerThread {
    /// The thread with the index `id` among the workers.
    pub(crate) fn new(workers: Arc<Workers>, id: usize) -> Self {
        Self {
            longest_poll: Arc::clone(workers.stats(id).longest_poll()),
            workers,
            id,
            stage: Cell::new(ShutdownStage::Running),
            drain_started_at: Cell::new(None),
            tasks: RefCell::default(),
            empty_waker: RefCell::default(),
        }
    }

    /// Its index among the workers.
    pub fn id(&self) -> usize {
        self.id
    }

    /// The balancer, which chooses backends.
    pub fn balancer(&self) -> &Arc<Balancer> {
        self.workers.balancer()
    }

    /// The connection limit, and the hand-off to other workers.
    pub(crate) fn handoff(&self) -> &ConnectionHandoff {
        self.workers.handoff()
    }

    /// The statistics of this worker.
    pub(crate) fn stats(&self) -> &WorkerStats {
        self.workers.stats(self.id)
    }

    /// The time at which a poll of a client's task begins: each poll reads the clock here, once.
    #[inline]
    pub fn begin_poll(&self) -> Instant {
        let now = now();
        self.longest_poll.begin(now);
        now
    }

    /// The stage of the shutdown.
    pub fn stage(&self) -> ShutdownStage {
        self.stage.get()
    }

    /// When the process began to drain.
    pub fn drain_started_at(&self) -> Option<Instant> {
        self.drain_started_at.get()
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
}
