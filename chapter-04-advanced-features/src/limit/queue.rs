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

use std::{
    collections::VecDeque,
    fmt::Debug,
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

// ANCHOR: discipline
/// Decides in which order queued requests are served, and which are shed.
pub trait QueueDiscipline: Debug + Send {
    /// The rules from `now` on. Called when a request enters the queue, and each time a queued request checks its turn.
    /// `oldest_wait` is how long the oldest request has waited, before any is shed by the new rules; zero if the queue
    /// is empty. Called with the queue locked, so it must not block.
    fn update(&mut self, oldest_wait: Duration, now: Instant) -> QueueRules;
}

/// The order of a queue, and how long a request may wait in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueRules {
    /// Which request is next.
    pub order: QueueOrder,
    /// Requests that have waited for longer are shed; `None`: no request is shed for its age. (The engine enforces the
    /// queue timeout.)
    pub max_wait: Option<Duration>,
}
// ANCHOR_END: discipline

/// Which request is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueOrder {
    /// The one that has waited longest. A full queue rejects new requests.
    #[default]
    OldestFirst,
    /// The most recent one. If the queue is full, the oldest is shed to make room.
    NewestFirst,
}

/// First in, first out; sheds nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fifo;

impl QueueDiscipline for Fifo {
    fn update(&mut self, _oldest_wait: Duration, _now: Instant) -> QueueRules {
        QueueRules::default()
    }
}

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

    /// The most requests that may wait.
    pub fn max_waiting(&self) -> usize {
        self.max_waiting
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
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicU32},
        task::Wake,
        thread::{self, Thread},
    };

    use common::clock::now;

    use super::*;
    use crate::limit::concurrency::ConcurrencyLimit;

    #[derive(Default)]
    struct CountingWaker(AtomicUsize);

    impl Wake for CountingWaker {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn waker() -> (Arc<CountingWaker>, Waker) {
        let counted = Arc::new(CountingWaker::default());
        (Arc::clone(&counted), Waker::from(counted))
    }

    #[test]
    fn is_first_in_first_out_and_bounded() {
        let (queue, now) = (Arc::new(Queue::new(2)), now());
        let ((first_woken, first), (second_woken, second)) = (waker(), waker());
        let first = queue.enqueue(first, now).unwrap();
        let second = queue.enqueue(second, now).unwrap();
        assert_eq!(queue.enqueue(waker().1, now).unwrap_err(), QueueFull);
        assert_eq!((first.turn(now), second.turn(now)), (QueueTurn::Next, QueueTurn::Wait));
        queue.wake_next();
        assert_eq!((first_woken.0.load(SeqCst), second_woken.0.load(SeqCst)), (1, 0));
        drop(first);
        assert_eq!(second_woken.0.load(SeqCst), 1, "leaving wakes the next");
        assert_eq!(second.turn(now), QueueTurn::Next);
        drop(second);
        assert!(queue.is_empty());
    }

    #[test]
    fn dropping_a_ticket_in_the_middle_leaves_the_queue() {
        let (queue, now) = (Arc::new(Queue::new(9)), now());
        let tickets: Vec<_> = (0..3).map(|_| queue.enqueue(waker().1, now).unwrap()).collect();
        let [first, second, third] = tickets.try_into().unwrap();
        drop(second);
        assert_eq!(queue.len(), 2);
        drop(first);
        assert_eq!(third.turn(now), QueueTurn::Next);
    }

    /// While `is_overloaded`: newest first, and nobody waits for more than 200 ms.
    #[derive(Debug, Default)]
    struct TestDiscipline {
        is_overloaded: Arc<AtomicBool>,
    }

    impl QueueDiscipline for TestDiscipline {
        fn update(&mut self, _oldest_wait: Duration, _now: Instant) -> QueueRules {
            if !self.is_overloaded.load(SeqCst) {
                return QueueRules::default();
            }
            QueueRules { order: QueueOrder::NewestFirst, max_wait: Some(Duration::from_millis(200)) }
        }
    }

    fn overloaded_queue(max_waiting: usize) -> (Arc<Queue>, Arc<AtomicBool>) {
        let is_overloaded = Arc::new(AtomicBool::new(true));
        let discipline = TestDiscipline { is_overloaded: Arc::clone(&is_overloaded) };
        (Arc::new(Queue::with_discipline(max_waiting, Box::new(discipline))), is_overloaded)
    }

    #[test]
    fn a_discipline_decides_who_is_next_and_who_is_shed() {
        let (queue, is_overloaded) = overloaded_queue(9);
        let start = now();
        let at = |millis| start + Duration::from_millis(millis);
        let ((old_woken, old), (new_woken, new)) = (waker(), waker());
        let woken = || (old_woken.0.swap(0, SeqCst), new_woken.0.swap(0, SeqCst));
        let (old, new) = (queue.enqueue(old, start).unwrap(), queue.enqueue(new, at(150)).unwrap());
        assert_eq!((old.turn(at(150)), new.turn(at(150))), (QueueTurn::Wait, QueueTurn::Next));
        woken();
        queue.wake_next();
        assert_eq!(woken(), (0, 1));

        is_overloaded.store(false, SeqCst);
        assert_eq!(new.turn(at(150)), QueueTurn::Wait);
        assert_eq!(woken(), (1, 0), "the slot that woke the newest is the oldest one's now");
        is_overloaded.store(true, SeqCst);

        assert_eq!((new.turn(at(200)), queue.len()), (QueueTurn::Next, 2));
        woken();
        assert_eq!((new.turn(at(201)), queue.len()), (QueueTurn::Next, 1));
        assert_eq!(woken(), (1, 0), "it is woken to learn that it is shed");
        assert_eq!((old.turn(at(201)), queue.shed()), (QueueTurn::Shed, 1));
        drop(old);
        assert_eq!(woken(), (0, 1), "a slot that had woken the shed request is not lost");
    }

    #[test]
    fn a_full_queue_that_serves_the_newest_sheds_the_oldest() {
        let (queue, _) = overloaded_queue(2);
        let now = now();
        let first = queue.enqueue(waker().1, now).unwrap();
        let second = queue.enqueue(waker().1, now).unwrap();
        let third = queue.enqueue(waker().1, now).unwrap();
        assert_eq!(
            [&first, &second, &third].map(|ticket| ticket.turn(now)),
            [QueueTurn::Shed, QueueTurn::Wait, QueueTurn::Next]
        );
        assert_eq!((queue.len(), queue.shed()), (2, 1));
        let (none, _) = overloaded_queue(0);
        assert_eq!(none.enqueue(waker().1, now).unwrap_err(), QueueFull);
    }

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// How a request ended.
    #[derive(Debug, PartialEq, Eq)]
    enum End {
        ServedAtOnce,
        ServedFromQueue,
        Shed,
    }

    /// Waits for a slot as an engine does.
    fn acquire_or_queue(limit: &ConcurrencyLimit, queue: &Arc<Queue>) -> End {
        if queue.is_empty() && limit.try_acquire() {
            return End::ServedAtOnce;
        }
        let ticket = queue.enqueue(Waker::from(Arc::new(Unpark(thread::current()))), now()).unwrap();
        loop {
            match ticket.turn(now()) {
                QueueTurn::Next if limit.try_acquire() => return End::ServedFromQueue,
                QueueTurn::Shed => return End::Shed,
                // A lost wake-up would show as this timeout.
                QueueTurn::Next | QueueTurn::Wait => thread::park_timeout(Duration::from_secs(20)),
            }
        }
    }

    /// Eight threads share two slots; returns how many requests ended how.
    fn share_two_slots(queue: &Arc<Queue>) -> [u32; 3] {
        let limit = ConcurrencyLimit::new(Some(2));
        let (held, ends) = (AtomicU32::new(0), [const { AtomicU32::new(0) }; 3]);
        let began = now();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let end = acquire_or_queue(&limit, queue);
                        if end != End::Shed {
                            assert!(held.fetch_add(1, SeqCst) < 2);
                            thread::yield_now();
                            held.fetch_sub(1, SeqCst);
                            limit.release();
                            queue.wake_next();
                        }
                        ends[end as usize].fetch_add(1, SeqCst);
                    }
                });
            }
        });
        assert!(now() - began < Duration::from_secs(20), "a wake-up was lost");
        assert!(queue.is_empty() && limit.in_flight() == 0);
        ends.map(AtomicU32::into_inner)
    }

    #[test]
    fn no_wakeup_is_lost_and_the_limit_holds() {
        let [_, from_queue, shed] = share_two_slots(&Arc::new(Queue::new(1_000)));
        assert!(from_queue > 0, "no request had to wait: nothing was tested");
        assert_eq!(shed, 0);
    }

    /// Changes its rules all the time, and sheds everything that has waited at all in between.
    #[derive(Debug)]
    struct Fickle(u32);

    impl QueueDiscipline for Fickle {
        fn update(&mut self, _oldest_wait: Duration, _now: Instant) -> QueueRules {
            self.0 = self.0.wrapping_add(1);
            let order = if self.0.is_multiple_of(3) { QueueOrder::NewestFirst } else { QueueOrder::OldestFirst };
            QueueRules { order, max_wait: self.0.is_multiple_of(7).then_some(Duration::from_micros(20)) }
        }
    }

    #[test]
    fn no_wakeup_is_lost_while_rules_change_and_requests_are_shed() {
        let queue = Arc::new(Queue::with_discipline(1_000, Box::new(Fickle(0))));
        let [_, from_queue, shed] = share_two_slots(&queue);
        assert!(from_queue > 0 && shed > 0, "{from_queue} queued, {shed} shed");
        assert_eq!(u64::from(shed), queue.shed());
    }
}
