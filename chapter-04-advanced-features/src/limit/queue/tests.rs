//! The queue: which request is next, which is shed, and that no wake-up is lost.

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
