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
    line: Mutex<Line>,
    /// The length of the line, to be read without the lock on the way of requests that need not wait.
    length: AtomicUsize,
    limit: usize,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(u64, Waker)>,
    next: u64,
}

impl Line {
    fn wake_first(&self) {
        if let Some((_, waker)) = self.waiting.front() {
            waker.wake_by_ref();
        }
    }
}

/// A place in the queue; dropping it leaves.
#[derive(Debug)]
pub struct Place {
    queue: Arc<Queue>,
    number: u64,
}

/// The queue is as long as it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct QueueFull;

impl Queue {
    /// A queue in which at most `limit` may wait.
    pub fn new(limit: usize) -> Self {
        Self { line: Mutex::default(), length: AtomicUsize::new(0), limit }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.length.load(SeqCst)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the last place. `waker` is woken each time that it may be worth trying again; it may be woken
    /// for nothing.
    pub fn enter(self: &Arc<Self>, waker: Waker) -> Result<Place, QueueFull> {
        let mut line = self.lock();
        if line.waiting.len() >= self.limit {
            return Err(QueueFull);
        }
        let number = line.next;
        line.next += 1;
        line.waiting.push_back((number, waker));
        self.length.store(line.waiting.len(), SeqCst);
        Ok(Place { queue: Arc::clone(self), number })
    }

    /// A slot was given back, a limit raised, or a backend came up: wakes the first in line.
    pub fn freed(&self) {
        if !self.is_empty() {
            self.lock().wake_first();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether it is this one's turn to try.
    pub fn is_first(&self) -> bool {
        self.queue.lock().waiting.front().is_some_and(|(number, _)| *number == self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.queue.lock();
        // In order of their numbers: the place is found in a few steps however long the line is.
        if let Ok(index) = line.waiting.binary_search_by_key(&self.number, |(number, _)| *number) {
            line.waiting.remove(index);
            self.queue.length.store(line.waiting.len(), SeqCst);
            line.wake_first();
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
    use crate::limit::concurrency::Slots;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn waker() -> (Arc<Counted>, Waker) {
        let counted = Arc::new(Counted::default());
        (Arc::clone(&counted), Waker::from(counted))
    }

    #[test]
    fn first_come_first_served_and_bounded() {
        let queue = Arc::new(Queue::new(2));
        let ((first_woken, first), (second_woken, second)) = (waker(), waker());
        let first = queue.enter(first).unwrap();
        let second = queue.enter(second).unwrap();
        assert_eq!(queue.enter(waker().1).unwrap_err(), QueueFull);
        assert!(first.is_first() && !second.is_first());
        queue.freed();
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
        let places: Vec<_> = (0..3).map(|_| queue.enter(waker().1).unwrap()).collect();
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
    fn take(slots: &Slots, queue: &Arc<Queue>) -> bool {
        if queue.is_empty() && slots.try_take() {
            return false;
        }
        let place = queue.enter(Waker::from(Arc::new(Unpark(thread::current())))).unwrap();
        while !(place.is_first() && slots.try_take()) {
            // A wake that was lost would show as this time running out.
            thread::park_timeout(Duration::from_secs(20));
        }
        true
    }

    #[test]
    fn nobody_is_forgotten_and_the_limit_holds() {
        let (slots, queue) = (Slots::new(Some(2)), Arc::new(Queue::new(1_000)));
        let (out, waited) = (AtomicU32::new(0), AtomicU32::new(0));
        #[expect(clippy::disallowed_methods, reason = "the test's own clock")]
        let began = std::time::Instant::now();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        waited.fetch_add(u32::from(take(&slots, &queue)), SeqCst);
                        assert!(out.fetch_add(1, SeqCst) < 2);
                        thread::yield_now();
                        out.fetch_sub(1, SeqCst);
                        slots.give_back();
                        queue.freed();
                    }
                });
            }
        });
        assert!(began.elapsed() < Duration::from_secs(20), "somebody was forgotten");
        assert!(waited.into_inner() > 0, "nobody had to wait: nothing was tested");
        assert!(queue.is_empty() && slots.taken() == 0);
    }
}
