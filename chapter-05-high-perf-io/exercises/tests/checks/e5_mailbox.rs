//! The checks of exercise 5.5.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use exercises_05::contracts::{Bell, Mailbox, Office};
use integration_tests::held_to;
use integration_tests::wait::{PATIENCE, ms};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

held_to!(
    exercises_05,
    e5_mailbox::office,
    [
        a_bell_is_heard_until_it_is_silenced,
        a_million_rings_neither_wait_nor_outlast_a_silence,
        a_bell_wakes_a_loop_that_sleeps,
        letters_come_out_once_and_in_order,
        a_thousand_letters_ring_once,
        whoever_is_woken_finds_the_letter_and_no_lock,
        a_letter_that_comes_while_the_bell_is_silenced_is_not_overlooked,
        a_closed_mailbox_gives_letters_back,
        each_letter_ends_somewhere_when_the_mailbox_closes,
        two_loops_lose_nothing,
    ]
);

/// Whether it is readable, or becomes so within this time.
fn is_heard(bell: &impl AsFd, within: Duration) -> bool {
    let mut fds = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(within).unwrap();
    poll(&mut fds, timeout).unwrap() > 0
}

/// Runs it on a thread of its own; panics when it does not end.
fn ends<R: Send + 'static>(what: &str, work: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(work());
    });
    match result.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it should end, but does not: {what}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

fn a_bell_is_heard_until_it_is_silenced<O: Office>(new: fn() -> O) {
    let bell = new().bell().unwrap();
    assert!(!is_heard(&bell, Duration::ZERO), "nobody has rung");
    ends("silence, when nobody has rung", {
        let bell = Arc::new(new().bell().unwrap());
        move || bell.silence()
    });
    for turn in 1..4 {
        bell.ring();
        assert!(is_heard(&bell, Duration::ZERO), "it was rung (turn {turn})");
        assert!(is_heard(&bell, Duration::ZERO), "to look does not silence it (turn {turn})");
        bell.silence();
        assert!(!is_heard(&bell, Duration::ZERO), "it was silenced (turn {turn})");
    }
}

fn a_million_rings_neither_wait_nor_outlast_a_silence<O: Office>(new: fn() -> O) {
    let bell = Arc::new(new().bell().unwrap());
    let ringer = Arc::clone(&bell);
    ends("a million rings that nobody silences", move || (0..1_000_000).for_each(|_| ringer.ring()));
    assert!(is_heard(&*bell, Duration::ZERO), "it was rung a million times");
    let silencer = Arc::clone(&bell);
    ends("silence after a million rings", move || silencer.silence());
    assert!(!is_heard(&*bell, Duration::ZERO), "one silence is enough for all of them");
}

fn a_bell_wakes_a_loop_that_sleeps<O: Office>(new: fn() -> O) {
    let bell = Arc::new(new().bell().unwrap());
    let sleeper = Arc::clone(&bell);
    let asleep = thread::spawn(move || is_heard(&*sleeper, PATIENCE));
    thread::park_timeout(ms(20));
    bell.ring();
    assert!(asleep.join().unwrap(), "it should be woken, but slept on");
}

/// A bell that counts, and does something when it is rung or silenced.
#[derive(Default)]
struct Watched {
    rings: AtomicUsize,
    on_ring: OnceLock<Box<dyn Fn() + Send + Sync>>,
    on_silence: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Watched {
    fn rings(&self) -> usize {
        self.rings.load(SeqCst)
    }
}

impl Bell for Watched {
    fn ring(&self) {
        self.rings.fetch_add(1, SeqCst);
        self.on_ring.get().into_iter().for_each(|act| act());
    }

    fn silence(&self) {
        self.on_silence.get().into_iter().for_each(|act| act());
    }
}

fn watched() -> (Arc<Watched>, Arc<dyn Bell>) {
    let bell = Arc::new(Watched::default());
    (Arc::clone(&bell), bell)
}

fn letters_come_out_once_and_in_order<O: Office>(new: fn() -> O) {
    let mailbox = new().mailbox(watched().1);
    assert_eq!(mailbox.collect(), Vec::<u32>::new(), "nothing was left");
    for number in 0..5 {
        mailbox.post(number).unwrap();
    }
    assert_eq!(mailbox.collect(), [0, 1, 2, 3, 4], "what was left");
    mailbox.post(5).unwrap();
    assert_eq!(mailbox.collect(), [5], "what was left since");
    assert_eq!(mailbox.collect(), Vec::<u32>::new(), "nothing was left since");
}

fn a_thousand_letters_ring_once<O: Office>(new: fn() -> O) {
    let (bell, rung) = watched();
    let mailbox = new().mailbox(rung);
    for round in 1..=3 {
        for number in 0..1_000 {
            mailbox.post(number).unwrap();
        }
        assert_eq!(bell.rings(), round, "rings, after {round} times a thousand letters");
        assert_eq!(mailbox.collect().len(), 1_000, "letters of round {round}");
    }
}

fn whoever_is_woken_finds_the_letter_and_no_lock<O: Office>(new: fn() -> O) {
    let (bell, rung) = watched();
    let mailbox = Arc::new(new().mailbox(rung));
    let found: Arc<Mutex<Vec<u32>>> = Arc::default();
    // The loop is as quick as can be: it collects before `ring` has returned.
    let (loops, finds) = (Arc::clone(&mailbox), Arc::clone(&found));
    bell.on_ring.set(Box::new(move || finds.lock().unwrap().extend(loops.collect()))).ok().unwrap();
    ends("to post a letter to a loop that collects at once", move || {
        for number in 0..3 {
            mailbox.post(number).unwrap();
        }
    });
    assert_eq!(*found.lock().unwrap(), [0, 1, 2], "what was found by a loop that collects while it is rung for");
}

fn a_letter_that_comes_while_the_bell_is_silenced_is_not_overlooked<O: Office>(new: fn() -> O) {
    let (bell, rung) = watched();
    let mailbox = Arc::new(new().mailbox(rung));
    // Another thread is as unlucky as can be: its letter and its ring come right before the bell is silenced.
    let (sender, sent) = (Arc::clone(&mailbox), AtomicUsize::new(0));
    let unlucky = move || {
        if sent.fetch_add(1, SeqCst) == 0 {
            sender.post(2).unwrap();
        }
    };
    bell.on_silence.set(Box::new(unlucky)).ok().unwrap();
    mailbox.post(1).unwrap();
    let collector = Arc::clone(&mailbox);
    let collected = ends("to collect while a letter comes", move || collector.collect());
    assert_eq!(collected, [1, 2], "2 was left before the bell was silenced, and nothing will ring for it");
}

fn a_closed_mailbox_gives_letters_back<O: Office>(new: fn() -> O) {
    let (bell, rung) = watched();
    let mailbox = new().mailbox(rung);
    mailbox.post("early").unwrap();
    assert_eq!(mailbox.close(), ["early"], "what was left when it closed");
    assert_eq!(mailbox.post("late"), Err("late"), "nobody will collect it");
    assert_eq!(bell.rings(), 1, "nobody is to be woken for a letter that was not taken");
    assert_eq!((mailbox.collect(), mailbox.close()), (vec![], vec![]), "nothing is left");
}

fn each_letter_ends_somewhere_when_the_mailbox_closes<O: Office>(new: fn() -> O) {
    const SENDERS: usize = 4;
    const LETTERS: u32 = 1_000;
    for round in 0..50 {
        let mailbox = Arc::new(new().mailbox::<(usize, u32)>(watched().1));
        let begun = Arc::new(Barrier::new(SENDERS + 1));
        let sender = |sender: usize| {
            let (mailbox, begun) = (Arc::clone(&mailbox), Arc::clone(&begun));
            thread::spawn(move || {
                begun.wait();
                (0..LETTERS).take_while(|number| mailbox.post((sender, *number)).is_ok()).count()
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
        let taken = ends("senders, whose letters should come back once it is closed", move || {
            senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>()
        });
        for (sender, taken) in taken.into_iter().enumerate() {
            let numbers = collected.iter().filter(|(from, _)| *from == sender).map(|(_, number)| *number as usize);
            let all = numbers.eq(0..taken);
            assert!(all, "round {round}: {taken} letters of sender {sender} were taken; they should come out in order");
        }
    }
}

/// A letter that goes to and fro until its hops are used up.
struct Ball {
    hops: u32,
}

/// A loop: sleeps on its bell, collects, and hands each letter on. Gives how often it woke.
fn play<B: Bell + AsFd, M: Mailbox<Ball>>(
    bell: &B,
    own: &M,
    other: &M,
    in_play: &AtomicUsize,
    finish: &impl Bell,
) -> usize {
    for wakes in 1.. {
        assert!(is_heard(bell, PATIENCE), "a loop sleeps on, and {} letters are not done", in_play.load(SeqCst));
        for ball in own.collect() {
            if let Some(hops) = ball.hops.checked_sub(1) {
                assert!(other.post(Ball { hops }).is_ok(), "the other one is open");
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

fn two_loops_lose_nothing<O: Office>(new: fn() -> O) {
    const BALLS: u32 = 200;
    const HOPS: u32 = 100;
    let wakes = ends("two loops that hand letters to each other", move || {
        let bells = [0, 1].map(|_| Arc::new(new().bell().unwrap()));
        let mailboxes = [0, 1].map(|place| new().mailbox::<Ball>(Arc::clone(&bells[place]) as Arc<dyn Bell>));
        let in_play = AtomicUsize::new(BALLS as usize);
        let [left, right] = &mailboxes;
        thread::scope(|scope| {
            let first = scope.spawn(|| play(&*bells[0], left, right, &in_play, &*bells[1]));
            let second = scope.spawn(|| play(&*bells[1], right, left, &in_play, &*bells[0]));
            for _ in 0..BALLS {
                assert!(left.post(Ball { hops: HOPS }).is_ok(), "it is open");
            }
            first.join().unwrap() + second.join().unwrap()
        })
    });
    let letters = (BALLS * (HOPS + 1)) as usize;
    assert!(wakes <= letters + 2, "the loops woke {wakes} times for {letters} letters");
}
