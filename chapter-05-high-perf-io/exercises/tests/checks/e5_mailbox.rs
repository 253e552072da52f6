//! The checks of exercise 5.5.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use exercises_05::contracts::{Bell, Mailbox, Office};
use integration_tests::exercise_checks;
use integration_tests::wait::{TEST_TIMEOUT, ms};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

exercise_checks!(
    exercises_05,
    e5_mailbox::office,
    [
        a_bell_is_readable_until_it_is_silenced,
        a_million_rings_do_not_block_and_one_silence_clears_them,
        a_bell_wakes_a_blocked_loop,
        messages_are_collected_once_and_in_order,
        a_thousand_messages_ring_once,
        the_woken_loop_finds_the_message_and_no_lock,
        a_message_posted_during_silence_is_not_lost,
        a_closed_mailbox_returns_messages,
        no_message_is_lost_when_the_mailbox_closes,
        two_loops_lose_no_message,
    ]
);

/// Whether the bell's descriptor is readable, or becomes so within this time.
fn is_readable(bell: &impl AsFd, within: Duration) -> bool {
    let mut fds = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(within).unwrap();
    poll(&mut fds, timeout).unwrap() > 0
}

/// Runs `work` on another thread; panics if it does not end in time.
fn ends<R: Send + 'static>(what: &str, work: impl FnOnce() -> R + Send + 'static) -> R {
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

fn a_bell_is_readable_until_it_is_silenced<O: Office>(new: fn() -> O) {
    let bell = new().bell().unwrap();
    assert!(!is_readable(&bell, Duration::ZERO), "it was never rung");
    ends("silence before any ring", {
        let bell = Arc::new(new().bell().unwrap());
        move || bell.silence()
    });
    for round in 1..4 {
        bell.ring();
        assert!(is_readable(&bell, Duration::ZERO), "it was rung (round {round})");
        assert!(is_readable(&bell, Duration::ZERO), "polling does not silence it (round {round})");
        bell.silence();
        assert!(!is_readable(&bell, Duration::ZERO), "it was silenced (round {round})");
    }
}

fn a_million_rings_do_not_block_and_one_silence_clears_them<O: Office>(new: fn() -> O) {
    let bell = Arc::new(new().bell().unwrap());
    let ringer = Arc::clone(&bell);
    ends("a million rings without a silence", move || (0..1_000_000).for_each(|_| ringer.ring()));
    assert!(is_readable(&*bell, Duration::ZERO), "it was rung a million times");
    let silencer = Arc::clone(&bell);
    ends("silence after a million rings", move || silencer.silence());
    assert!(!is_readable(&*bell, Duration::ZERO), "one silence is enough for all of them");
}

fn a_bell_wakes_a_blocked_loop<O: Office>(new: fn() -> O) {
    let bell = Arc::new(new().bell().unwrap());
    let sleeper = Arc::clone(&bell);
    let asleep = thread::spawn(move || is_readable(&*sleeper, TEST_TIMEOUT));
    thread::park_timeout(ms(20));
    bell.ring();
    assert!(asleep.join().unwrap(), "the ring should end the poll, but did not");
}

/// A bell that counts its rings, and runs a hook when it is rung or silenced.
#[derive(Default)]
struct CountingBell {
    rings: AtomicUsize,
    on_ring: OnceLock<Box<dyn Fn() + Send + Sync>>,
    on_silence: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl CountingBell {
    fn rings(&self) -> usize {
        self.rings.load(SeqCst)
    }
}

impl Bell for CountingBell {
    fn ring(&self) {
        self.rings.fetch_add(1, SeqCst);
        self.on_ring.get().into_iter().for_each(|act| act());
    }

    fn silence(&self) {
        self.on_silence.get().into_iter().for_each(|act| act());
    }
}

fn counting_bell() -> (Arc<CountingBell>, Arc<dyn Bell>) {
    let bell = Arc::new(CountingBell::default());
    (Arc::clone(&bell), bell)
}

fn messages_are_collected_once_and_in_order<O: Office>(new: fn() -> O) {
    let mailbox = new().mailbox(counting_bell().1);
    assert_eq!(mailbox.collect(), Vec::<u32>::new(), "nothing was posted");
    for number in 0..5 {
        mailbox.post(number).unwrap();
    }
    assert_eq!(mailbox.collect(), [0, 1, 2, 3, 4], "what was posted");
    mailbox.post(5).unwrap();
    assert_eq!(mailbox.collect(), [5], "what was posted since");
    assert_eq!(mailbox.collect(), Vec::<u32>::new(), "nothing was posted since");
}

fn a_thousand_messages_ring_once<O: Office>(new: fn() -> O) {
    let (bell, bell_handle) = counting_bell();
    let mailbox = new().mailbox(bell_handle);
    for round in 1..=3 {
        for number in 0..1_000 {
            mailbox.post(number).unwrap();
        }
        assert_eq!(bell.rings(), round, "rings after {round} times a thousand messages");
        assert_eq!(mailbox.collect().len(), 1_000, "messages of round {round}");
    }
}

fn the_woken_loop_finds_the_message_and_no_lock<O: Office>(new: fn() -> O) {
    let (bell, bell_handle) = counting_bell();
    let mailbox = Arc::new(new().mailbox(bell_handle));
    let found: Arc<Mutex<Vec<u32>>> = Arc::default();
    // The fastest possible loop: it collects before `ring` has returned.
    let (collector, finds) = (Arc::clone(&mailbox), Arc::clone(&found));
    bell.on_ring.set(Box::new(move || finds.lock().unwrap().extend(collector.collect()))).ok().unwrap();
    ends("to post a message to a loop that collects at once", move || {
        for number in 0..3 {
            mailbox.post(number).unwrap();
        }
    });
    assert_eq!(*found.lock().unwrap(), [0, 1, 2], "what a loop finds that collects during `ring`");
}

fn a_message_posted_during_silence_is_not_lost<O: Office>(new: fn() -> O) {
    let (bell, bell_handle) = counting_bell();
    let mailbox = Arc::new(new().mailbox(bell_handle));
    // The worst interleaving: another thread posts and rings right before the bell is silenced.
    let (sender, sent) = (Arc::clone(&mailbox), AtomicUsize::new(0));
    let post_late = move || {
        if sent.fetch_add(1, SeqCst) == 0 {
            sender.post(2).unwrap();
        }
    };
    bell.on_silence.set(Box::new(post_late)).ok().unwrap();
    mailbox.post(1).unwrap();
    let collector = Arc::clone(&mailbox);
    let collected = ends("to collect while a message is posted", move || collector.collect());
    assert_eq!(collected, [1, 2], "2 was posted before the bell was silenced, and no ring will follow for it");
}

fn a_closed_mailbox_returns_messages<O: Office>(new: fn() -> O) {
    let (bell, bell_handle) = counting_bell();
    let mailbox = new().mailbox(bell_handle);
    mailbox.post("early").unwrap();
    assert_eq!(mailbox.close(), ["early"], "the messages that were left when it closed");
    assert_eq!(mailbox.post("late"), Err("late"), "the mailbox is closed");
    assert_eq!(bell.rings(), 1, "a rejected message should not ring");
    assert_eq!((mailbox.collect(), mailbox.close()), (vec![], vec![]), "nothing is left");
}

fn no_message_is_lost_when_the_mailbox_closes<O: Office>(new: fn() -> O) {
    const SENDERS: usize = 4;
    const MESSAGES: u32 = 1_000;
    for round in 0..50 {
        let mailbox = Arc::new(new().mailbox::<(usize, u32)>(counting_bell().1));
        let begun = Arc::new(Barrier::new(SENDERS + 1));
        let sender = |sender: usize| {
            let (mailbox, begun) = (Arc::clone(&mailbox), Arc::clone(&begun));
            thread::spawn(move || {
                begun.wait();
                (0..MESSAGES).take_while(|number| mailbox.post((sender, *number)).is_ok()).count()
            })
        };
        let senders: Vec<_> = (0..SENDERS).map(sender).collect();
        let closing = Arc::clone(&mailbox);
        let collected = ends("to collect some times and close", move || {
            begun.wait();
            let mut collected: Vec<_> = (0..round).flat_map(|_| closing.collect()).collect();
            collected.extend(closing.close());
            collected
        });
        let accepted = ends("senders, whose messages should be returned once it is closed", move || {
            senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>()
        });
        for (sender, accepted) in accepted.into_iter().enumerate() {
            let numbers = collected.iter().filter(|(from, _)| *from == sender).map(|(_, number)| *number as usize);
            let all = numbers.eq(0..accepted);
            assert!(
                all,
                "round {round}: {accepted} messages of sender {sender} were accepted; they should be collected in order"
            );
        }
    }
}

/// A message that goes back and forth until its hops are used up.
struct Ball {
    hops: u32,
}

/// An event loop: waits for its bell, collects, and passes each message on. Returns how often it woke.
fn play<B: Bell + AsFd, M: Mailbox<Ball>>(
    bell: &B,
    own: &M,
    other: &M,
    in_play: &AtomicUsize,
    finish: &impl Bell,
) -> usize {
    for wakes in 1.. {
        assert!(
            is_readable(bell, TEST_TIMEOUT),
            "a loop is not woken, and {} messages are not done",
            in_play.load(SeqCst)
        );
        for ball in own.collect() {
            if let Some(hops) = ball.hops.checked_sub(1) {
                assert!(other.post(Ball { hops }).is_ok(), "the other mailbox is open");
            } else if in_play.fetch_sub(1, SeqCst) == 1 {
                finish.ring();
            }
        }
        if in_play.load(SeqCst) == 0 {
            return wakes;
        }
    }
    unreachable!("it returns or panics")
}

fn two_loops_lose_no_message<O: Office>(new: fn() -> O) {
    const BALLS: u32 = 200;
    const HOPS: u32 = 100;
    let wakes = ends("two loops that pass messages to each other", move || {
        let bells = [0, 1].map(|_| Arc::new(new().bell().unwrap()));
        let mailboxes = [0, 1].map(|index| new().mailbox::<Ball>(Arc::clone(&bells[index]) as Arc<dyn Bell>));
        let in_play = AtomicUsize::new(BALLS as usize);
        let [left, right] = &mailboxes;
        thread::scope(|scope| {
            let first = scope.spawn(|| play(&*bells[0], left, right, &in_play, &*bells[1]));
            let second = scope.spawn(|| play(&*bells[1], right, left, &in_play, &*bells[0]));
            for _ in 0..BALLS {
                assert!(left.post(Ball { hops: HOPS }).is_ok(), "the mailbox is open");
            }
            first.join().unwrap() + second.join().unwrap()
        })
    });
    let messages = (BALLS * (HOPS + 1)) as usize;
    assert!(wakes <= messages + 2, "the loops woke {wakes} times for {messages} messages");
}
