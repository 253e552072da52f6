//! The queue of requests that wait because every backend they may go to is at its limit.
//!
//! First in, first out, and bounded: behind a thousand queued requests, another would only wait to be rejected later.
//! The queue has no clock and knows no engine. Each waiting request leaves a [`Waker`]: a thread's waker writes to a
//! pipe that its `poll(2)` watches, a task's is its own. Three rules keep wake-ups from getting lost:
//!
//! 1. A new request enters the queue while any other waits, even if a slot is free: else it would overtake.
//! 2. A request that has entered tries again at once if it is first; a slot may have been released in between.
//! 3. A released slot wakes the first request. A request that leaves, served or not, wakes the next, which then tries.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Waker,
};

/// The queue of one group of backends.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<QueueState>,
    /// The length of the queue, readable without the lock by requests that need not wait.
    len: AtomicUsize,
    max_waiting: usize,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: VecDeque<(u64, Waker)>,
    next_number: u64,
}

impl QueueState {
    fn wake_front(&self) {
        if let Some((_, waker)) = self.waiting.front() {
            waker.wake_by_ref();
        }
    }
}

/// A request's position in the queue; dropping it leaves the queue.
#[derive(Debug)]
pub struct QueueTicket {
    queue: Arc<Queue>,
    number: u64,
}

/// The queue is at its maximum length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct QueueFull;

impl Queue {
    /// A queue in which at most `max_waiting` requests may wait.
    pub fn new(max_waiting: usize) -> Self {
        Self { state: Mutex::default(), len: AtomicUsize::new(0), max_waiting }
    }

    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.len.load(SeqCst)
    }

    /// Whether no request waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Enters at the end of the queue. `waker` is called each time the request should try again; spurious wake-ups are
    /// possible.
    ///
    /// # Errors
    /// The queue is full.
    pub fn enqueue(self: &Arc<Self>, waker: Waker) -> Result<QueueTicket, QueueFull> {
        let mut state = self.lock();
        if state.waiting.len() >= self.max_waiting {
            return Err(QueueFull);
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back((number, waker));
        self.len.store(state.waiting.len(), SeqCst);
        Ok(QueueTicket { queue: Arc::clone(self), number })
    }

    /// A slot was released, a limit raised, or a backend came up: wakes the first request.
    pub fn wake_next(&self) {
        if !self.is_empty() {
            self.lock().wake_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueTicket {
    /// Whether this request is at the head of the queue and may try.
    pub fn is_first(&self) -> bool {
        self.queue.lock().waiting.front().is_some_and(|(number, _)| *number == self.number)
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        // Tickets are sorted by number, so a binary search finds this one in a few steps.
        if let Ok(index) = state.waiting.binary_search_by_key(&self.number, |(number, _)| *number) {
            state.waiting.remove(index);
            self.queue.len.store(state.waiting.len(), SeqCst);
            state.wake_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::AtomicU32,
        task::Wake,
        thread::{self, Thread},
        time::Duration,
    };

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
        let queue = Arc::new(Queue::new(2));
        let ((first_woken, first), (second_woken, second)) = (waker(), waker());
        let first = queue.enqueue(first).unwrap();
        let second = queue.enqueue(second).unwrap();
        assert_eq!(queue.enqueue(waker().1).unwrap_err(), QueueFull);
        assert!(first.is_first() && !second.is_first());
        queue.wake_next();
        assert_eq!((first_woken.0.load(SeqCst), second_woken.0.load(SeqCst)), (1, 0));
        drop(first);
        assert_eq!(second_woken.0.load(SeqCst), 1, "leaving wakes the next");
        assert!(second.is_first());
        drop(second);
        assert!(queue.is_empty());
    }

    #[test]
    fn dropping_a_ticket_in_the_middle_leaves_the_queue() {
        let queue = Arc::new(Queue::new(9));
        let tickets: Vec<_> = (0..3).map(|_| queue.enqueue(waker().1).unwrap()).collect();
        let [first, second, third] = tickets.try_into().unwrap();
        drop(second);
        assert_eq!(queue.len(), 2);
        drop(first);
        assert!(third.is_first());
    }

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// Waits for a slot as an engine does, and returns whether it had to wait.
    fn acquire_or_queue(limit: &ConcurrencyLimit, queue: &Arc<Queue>) -> bool {
        if queue.is_empty() && limit.try_acquire() {
            return false;
        }
        let ticket = queue.enqueue(Waker::from(Arc::new(Unpark(thread::current())))).unwrap();
        while !(ticket.is_first() && limit.try_acquire()) {
            // A lost wake-up would show as this timeout.
            thread::park_timeout(Duration::from_secs(20));
        }
        true
    }

    #[test]
    fn no_wakeup_is_lost_and_the_limit_holds() {
        let (limit, queue) = (ConcurrencyLimit::new(Some(2)), Arc::new(Queue::new(1_000)));
        let (held, waited) = (AtomicU32::new(0), AtomicU32::new(0));
        #[expect(clippy::disallowed_methods, reason = "the test's own clock")]
        let began = std::time::Instant::now();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        waited.fetch_add(u32::from(acquire_or_queue(&limit, &queue)), SeqCst);
                        assert!(held.fetch_add(1, SeqCst) < 2);
                        thread::yield_now();
                        held.fetch_sub(1, SeqCst);
                        limit.release();
                        queue.wake_next();
                    }
                });
            }
        });
        assert!(began.elapsed() < Duration::from_secs(20), "a wake-up was lost");
        assert!(waited.into_inner() > 0, "no request had to wait: nothing was tested");
        assert!(queue.is_empty() && limit.in_flight() == 0);
    }
}
