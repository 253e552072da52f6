//! What all connections of a core share. None of it is locked, for nobody else has it.

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
    shutdown::Stage,
};
use slab::Slab;
use tokio::net::TcpStream;

use crate::{
    downstream::handoff::Clients,
    pool::{Counts, Pool},
    request::state::Request,
    server::Server,
};

/// How many boxes for requests are kept. More were in use at once only for a moment.
const SPARE: usize = 1024;

/// One core's own things.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) server: Arc<Server>,
    /// Which one it is.
    pub(crate) place: usize,
    pub(crate) pool: RefCell<Pool<TcpStream>>,
    /// For the request head at hand; none outlives the poll that reads it.
    pub(crate) head: RefCell<Head>,
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// Boxes for requests: lent for as long as a request lasts.
    #[expect(clippy::vec_box, reason = "the box itself is recycled, so it is not allocated again")]
    spare: RefCell<Vec<Box<Request>>>,
    stage: Cell<Stage>,
    /// Since when the process drains.
    pub(crate) drains_since: Cell<Option<Instant>>,
    /// Every task that has to hear of the end: its clients', and its listener's.
    tasks: RefCell<Slab<Option<Waker>>>,
    /// Who waits for the last of them to end.
    last: RefCell<Option<Waker>>,
}

impl Core {
    /// The core with the number `place`.
    pub(crate) fn new(server: Arc<Server>, place: usize) -> Self {
        let pool = RefCell::new(Pool::new(server.limits_of_a_core()));
        Self {
            server,
            place,
            pool,
            head: RefCell::new(Head::new()),
            scratch: RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice()),
            spare: RefCell::default(),
            stage: Cell::new(Stage::Running),
            drains_since: Cell::new(None),
            tasks: RefCell::default(),
            last: RefCell::default(),
        }
    }

    /// What decides.
    pub(crate) fn balancer(&self) -> &Balancer {
        &self.server.balancer
    }

    /// The clients of all cores.
    pub(crate) fn clients(&self) -> &Clients {
        &self.server.clients
    }

    /// What has become of this core's connections to backends.
    pub(crate) fn counts(&self) -> &Counts {
        &self.server.counts[self.place]
    }

    /// Where surplus connections lie.
    pub(crate) fn shelf(&self) -> &crate::pool::Shelf<StdStream> {
        &self.server.shelf
    }

    /// How far the process is on its way out.
    pub(crate) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// The process has come so far on its way out: tells every task.
    pub(crate) fn reach(&self, stage: Stage, now: Instant) {
        self.stage.set(stage);
        self.drains_since.set(self.drains_since.get().or(Some(now)));
        // Not while they are woken: a waker may drop a task.
        let wakers: Vec<_> = self.tasks.borrow().iter().filter_map(|(_, waker)| waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A task begins that has to hear of the end.
    pub(crate) fn enlist(&self) -> usize {
        self.tasks.borrow_mut().insert(None)
    }

    /// This is where it is to be woken: said with its first poll.
    pub(crate) fn know(&self, task: usize, context: &Context<'_>) {
        let mut tasks = self.tasks.borrow_mut();
        if let Some(waker @ None) = tasks.get_mut(task) {
            *waker = Some(context.waker().clone());
        }
    }

    /// It has ended.
    pub(crate) fn discharge(&self, task: usize) {
        let is_last = {
            let mut tasks = self.tasks.borrow_mut();
            tasks.remove(task);
            tasks.is_empty()
        };
        if is_last && let Some(waker) = self.last.take() {
            waker.wake();
        }
    }

    /// Whether none is left; else the task of `context` is woken when the last one has ended.
    pub(crate) fn is_deserted(&self, context: &Context<'_>) -> bool {
        self.last.replace(Some(context.waker().clone()));
        self.tasks.borrow().is_empty()
    }

    /// A box for a request that began at `started`, with the memory that it has grown before.
    pub(crate) fn take_box(&self, started: Instant, now: Instant) -> Box<Request> {
        let mut request = self.spare.borrow_mut().pop().unwrap_or_else(|| Box::new(Request::new(started)));
        (request.started, request.now, request.first_byte) = (started, now, None);
        request
    }

    /// The request is over.
    pub(crate) fn give_box_back(&self, mut request: Box<Request>) {
        (request.course, request.attempt) = (None, None);
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(request);
        }
    }
}
