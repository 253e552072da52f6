//! The queue of requests that wait for a slot: every backend they may go to, or the group's adaptive limit, is full.
//!
//! Bounded: behind a thousand queued requests, another would only wait to be rejected later. The [`QueueDiscipline`]
//! decides the order, and which requests are shed; here it is first in, first out, and chapter 7 adds another. The
//! queue reads no clock and does not depend on an engine. Each waiting request registers a [`Waker`]: a thread's writes
//! to a pipe that the thread polls, a task uses its own. Four rules keep the order and prevent lost wake-ups:
//!
//! 1. A new request enters the queue while any other waits, even if a slot is free; otherwise it would overtake them.
//! 2. A request that has entered tries again at once if it is next; a slot may have been released in between.
//! 3. A released slot wakes the next request. A request that leaves, served or not, wakes the next, which then tries.
//! 4. When the order changes, the new next request is woken: the wake-up for a free slot may have gone to the previous
//!    one.

mod discipline;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::Waker,
    time::{Duration, Instant},
};

pub use discipline::{Fifo, QueueDiscipline, QueueOrder, QueueRules};

/// The queue of one group of backends.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<QueueState>,
    /// The length of the queue, readable without the lock by requests that need not wait.
    len: AtomicUsize,
    shed: AtomicU64,
    max_waiting: usize,
}

#[derive(Debug)]
struct QueueState {
    /// Sorted by number, and so by age.
    waiting: VecDeque<QueuedRequest>,
    next_number: u64,
    discipline: Box<dyn QueueDiscipline>,
    rules: QueueRules,
}

#[derive(Debug)]
struct QueuedRequest {
    number: u64,
    since: Instant,
    waker: Waker,
}

impl QueueState {
    fn next(&self) -> Option<&QueuedRequest> {
        match self.rules.order {
            QueueOrder::OldestFirst => self.waiting.front(),
            QueueOrder::NewestFirst => self.waiting.back(),
        }
    }

    fn wake_next(&self) {
        if let Some(next) = self.next() {
            next.waker.wake_by_ref();
        }
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |queued| queued.number).ok()
    }

    /// Asks the discipline for its rules and applies them.
    fn update_rules(&mut self, now: Instant) {
        let age = |queued: &QueuedRequest| now.saturating_duration_since(queued.since);
        let oldest_wait = self.waiting.front().map_or(Duration::ZERO, age);
        let before = std::mem::replace(&mut self.rules, self.discipline.update(oldest_wait, now));
        if let Some(max_wait) = self.rules.max_wait {
            while self.waiting.front().is_some_and(|oldest| age(oldest) > max_wait) {
                self.shed_oldest();
            }
        }
        if self.rules.order != before.order {
            self.wake_next();
        }
    }

    /// Removes the oldest request and wakes it, so that it sees that it was shed.
    fn shed_oldest(&mut self) -> bool {
        self.waiting.pop_front().map(|oldest| oldest.waker.wake()).is_some()
    }
}

/// A request's position in the queue; dropping it leaves the queue.
#[derive(Debug)]
pub struct QueueTicket {
    queue: Arc<Queue>,
    number: u64,
}

/// What a queued request has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueTurn {
    /// It is next: try to take a slot, and keep waiting if none is free.
    Next,
    /// Keep waiting.
    Wait,
    /// It was removed from the queue: answer with 503.
    Shed,
}

/// The queue is at its maximum length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct QueueFull;

impl Queue {
    /// A queue in which at most `max_waiting` requests may wait, first in, first out.
    pub fn new(max_waiting: usize) -> Self {
        Self::with_discipline(max_waiting, Box::new(Fifo))
    }

    /// A queue in which at most `max_waiting` requests may wait.
    pub fn with_discipline(max_waiting: usize, discipline: Box<dyn QueueDiscipline>) -> Self {
        let (waiting, rules) = (VecDeque::new(), QueueRules::default());
        let state = Mutex::new(QueueState { waiting, next_number: 0, discipline, rules });
        Self { state, len: AtomicUsize::new(0), shed: AtomicU64::new(0), max_waiting }
    }

    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.len.load(SeqCst)
    }

    /// Whether no request waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many requests have been shed.
    pub fn shed(&self) -> u64 {
        self.shed.load(Relaxed)
    }

    /// Enters the queue. `waker` is called each time the request should ask for its [`turn`](QueueTicket::turn);
    /// spurious wake-ups are possible.
    ///
    /// # Errors
    /// The queue is full.
    pub fn enqueue(self: &Arc<Self>, waker: Waker, now: Instant) -> Result<QueueTicket, QueueFull> {
        let mut state = self.lock();
        if state.waiting.len() >= self.max_waiting {
            let makes_room = state.rules.order == QueueOrder::NewestFirst && state.shed_oldest();
            if !makes_room {
                return Err(QueueFull);
            }
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back(QueuedRequest { number, since: now, waker });
        state.update_rules(now);
        self.publish_len(&state);
        Ok(QueueTicket { queue: Arc::clone(self), number })
    }

    /// A slot was released, a limit raised, or a backend came up: wakes the next request.
    pub fn wake_next(&self) {
        if !self.is_empty() {
            self.lock().wake_next();
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish_len(&self, state: &QueueState) {
        self.len.store(state.waiting.len(), SeqCst);
    }
}

impl QueueTicket {
    /// What this request does now. Ask after entering, and after each wake-up, until it is shed.
    pub fn turn(&self, now: Instant) -> QueueTurn {
        let mut state = self.queue.lock();
        state.update_rules(now);
        self.queue.publish_len(&state);
        if state.position(self.number).is_none() {
            // Counted here, not on removal: a request removed while it is taking a slot is still served.
            self.queue.shed.fetch_add(1, Relaxed);
            QueueTurn::Shed
        } else if state.next().is_some_and(|next| next.number == self.number) {
            QueueTurn::Next
        } else {
            QueueTurn::Wait
        }
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if let Some(position) = state.position(self.number) {
            state.waiting.remove(position);
            self.queue.publish_len(&state);
        }
        // Even if it was shed: a released slot may have woken it first, and that wake-up must be passed on.
        state.wake_next();
    }
}

#[cfg(test)]
mod tests;
