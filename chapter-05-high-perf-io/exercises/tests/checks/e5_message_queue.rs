//! The checks of exercise 5.5.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use exercises_05::contracts::{Implementation, LoopWaker, MessageQueue};
use integration_tests::wait::{TEST_TIMEOUT, ms};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::exercise_checks;

exercise_checks!(
    exercises_05,
    e5_message_queue::implementation,
    [
        a_waker_is_readable_until_it_is_cleared,
        a_million_wakes_do_not_block_and_one_clear_resets_them,
        a_waker_wakes_a_blocked_loop,
        messages_are_received_once_and_in_order,
        a_thousand_messages_wake_once,
        the_woken_loop_finds_the_message_and_no_lock,
        a_message_pushed_during_clear_is_not_lost,
        a_closed_queue_returns_messages,
        no_message_is_lost_when_the_queue_closes,
        two_loops_lose_no_message,
    ]
);

/// Whether the waker's descriptor is readable, or becomes so within this time.
fn is_readable(waker: &impl AsFd, within: Duration) -> bool {
    let mut fds = [PollFd::new(waker.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(within).unwrap();
    poll(&mut fds, timeout).unwrap() > 0
}

/// Runs `work` on another thread; panics if it does not end in time.
fn completes<R: Send + 'static>(what: &str, work: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(work());
    });
    match result.recv_timeout(TEST_TIMEOUT) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it should end, but does not: {what}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

fn a_waker_is_readable_until_it_is_cleared<O: Implementation>(new: fn() -> O) {
    let waker = new().waker().unwrap();
    assert!(!is_readable(&waker, Duration::ZERO), "`wake` was never called");
    completes("`clear` before any `wake`", {
        let waker = Arc::new(new().waker().unwrap());
        move || waker.clear()
    });
    for round in 1..4 {
        waker.wake();
        assert!(is_readable(&waker, Duration::ZERO), "`wake` was called (round {round})");
        assert!(is_readable(&waker, Duration::ZERO), "polling does not clear it (round {round})");
        waker.clear();
        assert!(!is_readable(&waker, Duration::ZERO), "it was cleared (round {round})");
    }
}

fn a_million_wakes_do_not_block_and_one_clear_resets_them<O: Implementation>(new: fn() -> O) {
    let waker = Arc::new(new().waker().unwrap());
    let waking = Arc::clone(&waker);
    completes("a million calls of `wake` without a `clear`", move || (0..1_000_000).for_each(|_| waking.wake()));
    assert!(is_readable(&*waker, Duration::ZERO), "`wake` was called a million times");
    let clearing = Arc::clone(&waker);
    completes("`clear` after a million calls of `wake`", move || clearing.clear());
    assert!(!is_readable(&*waker, Duration::ZERO), "one `clear` is enough for all of them");
}

fn a_waker_wakes_a_blocked_loop<O: Implementation>(new: fn() -> O) {
    let waker = Arc::new(new().waker().unwrap());
    let sleeper = Arc::clone(&waker);
    let asleep = thread::spawn(move || is_readable(&*sleeper, TEST_TIMEOUT));
    thread::park_timeout(ms(20));
    waker.wake();
    assert!(asleep.join().unwrap(), "`wake` should end the poll, but did not");
}

/// A waker that counts its wake-ups, and runs a hook when it is woken or cleared.
#[derive(Default)]
struct CountingWaker {
    wakes: AtomicUsize,
    on_wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
    on_clear: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl CountingWaker {
    fn wakes(&self) -> usize {
        self.wakes.load(SeqCst)
    }
}

impl LoopWaker for CountingWaker {
    fn wake(&self) {
        self.wakes.fetch_add(1, SeqCst);
        self.on_wake.get().into_iter().for_each(|act| act());
    }

    fn clear(&self) {
        self.on_clear.get().into_iter().for_each(|act| act());
    }
}

fn counting_waker() -> (Arc<CountingWaker>, Arc<dyn LoopWaker>) {
    let waker = Arc::new(CountingWaker::default());
    (Arc::clone(&waker), waker)
}

fn messages_are_received_once_and_in_order<O: Implementation>(new: fn() -> O) {
    let queue = new().queue(counting_waker().1);
    assert_eq!(queue.take_all(), Vec::<u32>::new(), "nothing was pushed");
    for number in 0..5 {
        queue.push(number).unwrap();
    }
    assert_eq!(queue.take_all(), [0, 1, 2, 3, 4], "what was pushed");
    queue.push(5).unwrap();
    assert_eq!(queue.take_all(), [5], "what was pushed since");
    assert_eq!(queue.take_all(), Vec::<u32>::new(), "nothing was pushed since");
}

fn a_thousand_messages_wake_once<O: Implementation>(new: fn() -> O) {
    let (waker, waker_handle) = counting_waker();
    let queue = new().queue(waker_handle);
    for round in 1..=3 {
        for number in 0..1_000 {
            queue.push(number).unwrap();
        }
        assert_eq!(waker.wakes(), round, "calls of `wake` after {round} times a thousand messages");
        assert_eq!(queue.take_all().len(), 1_000, "messages of round {round}");
    }
}

fn the_woken_loop_finds_the_message_and_no_lock<O: Implementation>(new: fn() -> O) {
    let (waker, waker_handle) = counting_waker();
    let queue = Arc::new(new().queue(waker_handle));
    let found: Arc<Mutex<Vec<u32>>> = Arc::default();
    // The fastest possible loop: it takes the messages before `wake` has returned.
    let (event_loop, received) = (Arc::clone(&queue), Arc::clone(&found));
    waker.on_wake.set(Box::new(move || received.lock().unwrap().extend(event_loop.take_all()))).ok().unwrap();
    completes("to push a message to a loop that takes it at once", move || {
        for number in 0..3 {
            queue.push(number).unwrap();
        }
    });
    assert_eq!(*found.lock().unwrap(), [0, 1, 2], "what a loop finds that takes all messages during `wake`");
}

fn a_message_pushed_during_clear_is_not_lost<O: Implementation>(new: fn() -> O) {
    let (waker, waker_handle) = counting_waker();
    let queue = Arc::new(new().queue(waker_handle));
    // The worst interleaving: another thread pushes a message and calls `wake` right before the waker is cleared.
    let (sender, sent) = (Arc::clone(&queue), AtomicUsize::new(0));
    let push_late = move || {
        if sent.fetch_add(1, SeqCst) == 0 {
            sender.push(2).unwrap();
        }
    };
    waker.on_clear.set(Box::new(push_late)).ok().unwrap();
    queue.push(1).unwrap();
    let event_loop = Arc::clone(&queue);
    let received = completes("to take all messages while one is pushed", move || event_loop.take_all());
    assert_eq!(received, [1, 2], "2 was pushed before the waker was cleared, and no call of `wake` will follow for it");
}

fn a_closed_queue_returns_messages<O: Implementation>(new: fn() -> O) {
    let (waker, waker_handle) = counting_waker();
    let queue = new().queue(waker_handle);
    queue.push("early").unwrap();
    assert_eq!(queue.close(), ["early"], "the messages that were left when it closed");
    assert_eq!(queue.push("late"), Err("late"), "the queue is closed");
    assert_eq!(waker.wakes(), 1, "a rejected message should not call `wake`");
    assert_eq!((queue.take_all(), queue.close()), (vec![], vec![]), "nothing is left");
}

fn no_message_is_lost_when_the_queue_closes<O: Implementation>(new: fn() -> O) {
    const SENDERS: usize = 4;
    // So many that all are still sending when the queue closes.
    const MESSAGES: u32 = 100_000;
    for round in 0..300 {
        let queue = Arc::new(new().queue::<(usize, u32)>(counting_waker().1));
        let begun = Arc::new(Barrier::new(SENDERS + 1));
        let sender = |sender: usize| {
            let (queue, begun) = (Arc::clone(&queue), Arc::clone(&begun));
            thread::spawn(move || {
                begun.wait();
                (0..MESSAGES).take_while(|number| queue.push((sender, *number)).is_ok()).count()
            })
        };
        let senders: Vec<_> = (0..SENDERS).map(sender).collect();
        let closing = Arc::clone(&queue);
        let received = completes("to take some messages and close", move || {
            begun.wait();
            let mut received = Vec::new();
            while received.len() < round * 10 {
                received.extend(closing.take_all());
            }
            received.extend(closing.close());
            received
        });
        let accepted = completes("senders, whose messages should be returned once it is closed", move || {
            senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>()
        });
        for (sender, accepted) in accepted.into_iter().enumerate() {
            let numbers = received.iter().filter(|(from, _)| *from == sender).map(|(_, number)| *number as usize);
            let all = numbers.eq(0..accepted);
            assert!(
                all,
                "round {round}: {accepted} messages of sender {sender} were accepted; they should be received in order"
            );
        }
    }
}

/// A message that goes back and forth until its hops are used up.
struct Ping {
    hops: u32,
}

/// An event loop: waits for its waker, and passes each message on. Returns how often it woke.
fn run_loop<B: LoopWaker + AsFd, M: MessageQueue<Ping>>(
    waker: &B,
    own: &M,
    other: &M,
    in_flight: &AtomicUsize,
    finish: &impl LoopWaker,
) -> usize {
    for wakes in 1.. {
        assert!(
            is_readable(waker, TEST_TIMEOUT),
            "a loop is not woken, and {} messages are not done",
            in_flight.load(SeqCst)
        );
        for ping in own.take_all() {
            if let Some(hops) = ping.hops.checked_sub(1) {
                assert!(other.push(Ping { hops }).is_ok(), "the other queue is open");
            } else if in_flight.fetch_sub(1, SeqCst) == 1 {
                finish.wake();
            }
        }
        if in_flight.load(SeqCst) == 0 {
            return wakes;
        }
    }
    unreachable!("it returns or panics")
}

fn two_loops_lose_no_message<O: Implementation>(new: fn() -> O) {
    const PINGS: u32 = 200;
    const HOPS: u32 = 100;
    let wakes = completes("two loops that pass messages to each other", move || {
        let wakers = [0, 1].map(|_| Arc::new(new().waker().unwrap()));
        let queues = [0, 1].map(|index| new().queue::<Ping>(Arc::clone(&wakers[index]) as Arc<dyn LoopWaker>));
        let in_flight = AtomicUsize::new(PINGS as usize);
        let [left, right] = &queues;
        thread::scope(|scope| {
            let first = scope.spawn(|| run_loop(&*wakers[0], left, right, &in_flight, &*wakers[1]));
            let second = scope.spawn(|| run_loop(&*wakers[1], right, left, &in_flight, &*wakers[0]));
            for _ in 0..PINGS {
                assert!(left.push(Ping { hops: HOPS }).is_ok(), "the queue is open");
            }
            first.join().unwrap() + second.join().unwrap()
        })
    });
    let messages = (PINGS * (HOPS + 1)) as usize;
    assert!(wakes <= messages + 2, "the loops woke {wakes} times for {messages} messages");
}
