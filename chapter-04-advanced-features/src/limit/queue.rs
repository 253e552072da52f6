//! Requests that wait because every backend they may go to is at its limit.
//!
//! First come, first served, and bounded: beyond a thousand in line, another would only wait to be refused later.
//! The queue has no clock and knows no engine. Who waits leaves a [`Waker`]: a thread's writes to a pipe that its
//! `poll(2)` watches, a task's is its own. Rules that make it lose nobody:
//!
//! 1. A newcomer enters while anybody waits, even if a slot is free: else it would overtake.
//! 2. Who has entered tries again at once if first; a slot may have come free in between.
//! 3. A slot given back wakes the first. Who leaves, served or not, wakes the next, who tries in turn.

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
    /// The length of the line, to be read without the lock on the way of requests that need not wait.
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

/// A place in the queue; dropping it leaves.
#[derive(Debug)]
pub struct QueueTicket {
    queue: Arc<Queue>,
    number: u64,
}

/// The queue is as long as it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct QueueFull;

impl Queue {
    /// A queue in which at most `limit` may wait.
    pub fn new(max_waiting: usize) -> Self {
        Self { state: Mutex::default(), len: AtomicUsize::new(0), max_waiting }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len.load(SeqCst)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the last place. `waker` is woken each time that it may be worth trying again; it may be woken
    /// for nothing.
    pub fn enqueue(self: &Arc<Self>, waker: Waker) -> Result<QueueTicket, QueueFull> {
        let mut line = self.lock();
        if line.waiting.len() >= self.max_waiting {
            return Err(QueueFull);
        }
        let number = line.next_number;
        line.next_number += 1;
        line.waiting.push_back((number, waker));
        self.len.store(line.waiting.len(), SeqCst);
        Ok(QueueTicket { queue: Arc::clone(self), number })
    }

    /// A slot was given back, a limit raised, or a backend came up: wakes the first in line.
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
    /// Whether it is this one's turn to try.
    pub fn is_first(&self) -> bool {
        self.queue.lock().waiting.front().is_some_and(|(number, _)| *number == self.number)
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        let mut line = self.queue.lock();
        // In order of their numbers: the place is found in a few steps however long the line is.
        if let Ok(index) = line.waiting.binary_search_by_key(&self.number, |(number, _)| *number) {
            line.waiting.remove(index);
            self.queue.len.store(line.waiting.len(), SeqCst);
            line.wake_front();
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
    fn first_come_first_served_and_bounded() {
        let queue = Arc::new(Queue::new(2));
        let ((first_woken, first), (second_woken, second)) = (waker(), waker());
        let first = queue.enqueue(first).unwrap();
        let second = queue.enqueue(second).unwrap();
        assert_eq!(queue.enqueue(waker().1).unwrap_err(), QueueFull);
        assert!(first.is_first() && !second.is_first());
        queue.wake_next();
        assert_eq!((first_woken.0.load(SeqCst), second_woken.0.load(SeqCst)), (1, 0));
        drop(first);
        assert_eq!(second_woken.0.load(SeqCst), 1, "who leaves wakes the next");
        assert!(second.is_first());
        drop(second);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_gives_up_in_the_middle_is_no_longer_in_line() {
        let queue = Arc::new(Queue::new(9));
        let places: Vec<_> = (0..3).map(|_| queue.enqueue(waker().1).unwrap()).collect();
        let [first, second, third] = places.try_into().unwrap();
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

    /// Waits for a slot as an engine does, and gives whether it had to wait.
    fn acquire_or_queue(slots: &ConcurrencyLimit, queue: &Arc<Queue>) -> bool {
        if queue.is_empty() && slots.try_acquire() {
            return false;
        }
        let place = queue.enqueue(Waker::from(Arc::new(Unpark(thread::current())))).unwrap();
        while !(place.is_first() && slots.try_acquire()) {
            // A wake that was lost would show as this time running out.
            thread::park_timeout(Duration::from_secs(20));
        }
        true
    }

    #[test]
    fn nobody_is_forgotten_and_the_limit_holds() {
        let (slots, queue) = (ConcurrencyLimit::new(Some(2)), Arc::new(Queue::new(1_000)));
        let (out, waited) = (AtomicU32::new(0), AtomicU32::new(0));
        #[expect(clippy::disallowed_methods, reason = "the test's own clock")]
        let began = std::time::Instant::now();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        waited.fetch_add(u32::from(acquire_or_queue(&slots, &queue)), SeqCst);
                        assert!(out.fetch_add(1, SeqCst) < 2);
                        thread::yield_now();
                        out.fetch_sub(1, SeqCst);
                        slots.release();
                        queue.wake_next();
                    }
                });
            }
        });
        assert!(began.elapsed() < Duration::from_secs(20), "somebody was forgotten");
        assert!(waited.into_inner() > 0, "nobody had to wait: nothing was tested");
        assert!(queue.is_empty() && slots.in_flight() == 0);
    }
}
