//! The checks of exercise 6.3.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};
use std::thread;

use common::clock::now;
use exercises_06::contracts::Executor;
use integration_tests::wait::{TEST_TIMEOUT, ms};

use crate::exercise_checks;
use crate::manual_task::{New, PollLog, completes, spawn, with_pending_tasks};

exercise_checks!(
    exercises_06,
    e3_executor::executor,
    [
        tasks_are_polled_only_in_a_turn,
        only_woken_tasks_are_polled_in_the_order_of_their_wakes,
        a_task_that_wakes_itself_is_polled_in_the_next_turn,
        a_task_may_wake_others_of_the_same_turn,
        a_wake_by_another_thread_during_a_poll_is_not_lost,
        an_ended_task_is_dropped_and_its_waker_does_nothing,
        dropping_the_executor_drops_its_tasks,
        only_the_first_wake_wakes_the_parent,
        a_task_has_the_same_waker_in_all_polls,
        no_lock_is_held_during_poll_drop_and_wake,
        no_wake_by_any_thread_is_lost,
    ]
);

fn tasks_are_polled_only_in_a_turn<E: Executor>(new: New<E>) {
    let (_, mut executor, log) = with_pending_tasks(new, 0);
    assert!(executor.is_empty(), "none was spawned");
    (0..3).for_each(|name| spawn(&mut executor, &log, name, move |_| name == 1));
    assert_eq!(
        (log.polled(), executor.len()),
        (vec![], 3),
        "three were spawned: which were polled, how many there are"
    );
    assert_eq!((executor.turn(), log.polled()), (3, vec![0, 1, 2]), "the first turn");
    assert_eq!((executor.len(), log.drops.get()), (2, 1), "1 has ended: how many are left, and are dropped");
    log.wake(&[0]);
    assert_eq!(log.polled(), vec![0; 0], "which task is polled when 0 is woken, before the turn");
}

fn only_woken_tasks_are_polled_in_the_order_of_their_wakes<E: Executor>(new: New<E>) {
    let (_, mut executor, log) = with_pending_tasks(new, 100);
    assert_eq!((executor.turn(), log.polled()), (0, vec![]), "no task was woken");
    log.wake(&[70, 3, 42]);
    assert_eq!((executor.turn(), log.polled()), (3, vec![70, 3, 42]), "three were woken, in this order");
    log.wake(&[5, 1, 5, 5, 1]);
    assert_eq!((executor.turn(), log.polled()), (2, vec![5, 1]), "5 was woken three times, 1 twice");
    assert_eq!((executor.turn(), log.polled()), (0, vec![]), "no task was woken since");
}

fn a_task_that_wakes_itself_is_polled_in_the_next_turn<E: Executor + 'static>(new: New<E>) {
    completes("a task that wakes itself in each of fifty polls", move || {
        let (_, mut executor, log) = with_pending_tasks(new, 0);
        let mut polls = 0;
        spawn(&mut executor, &log, 0, move |waker| {
            (0..2).for_each(|_| waker.wake_by_ref());
            polls += 1;
            polls == 50
        });
        for turn in 1..=50 {
            assert_eq!((executor.turn(), log.polled()), (1, vec![0]), "turn {turn}: 0 wakes itself in each, twice");
        }
        assert_eq!((executor.turn(), log.polled()), (0, vec![]), "0 woke itself in the poll in which it ended");
    });
}

fn a_task_may_wake_others_of_the_same_turn<E: Executor + 'static>(new: New<E>) {
    completes("a task that wakes two others in each poll", move || {
        let (_, mut executor, log) = with_pending_tasks(new, 2);
        let others = Rc::clone(&log);
        spawn(&mut executor, &log, 9, move |_| {
            others.wake(&[0, 1]);
            false
        });
        executor.turn();
        assert_eq!((executor.turn(), log.polled()), (2, vec![9, 0, 1]), "9 was polled, and woke 0 and 1");
        log.wake(&[0, 2, 1]);
        assert_eq!((executor.turn(), log.polled()), (3, vec![0, 9, 1]), "all were woken, and 9 wakes 0 and 1 again");
        assert_eq!((executor.turn(), log.polled()), (1, vec![0]), "0 was woken after its poll, 1 before");
    });
}

fn a_wake_by_another_thread_during_a_poll_is_not_lost<E: Executor + 'static>(new: New<E>) {
    completes("a task that is woken by another thread while it is polled", move || {
        let (_, mut executor, log) = with_pending_tasks(new, 0);
        let mut polls = 0;
        spawn(&mut executor, &log, 0, move |waker| {
            let waker = waker.clone();
            thread::spawn(move || waker.wake()).join().unwrap();
            polls += 1;
            polls == 9
        });
        for turn in 1..=3 {
            assert_eq!((executor.turn(), log.polled()), (1, vec![0]), "turn {turn}: it is woken in each poll");
        }
    });
}

fn an_ended_task_is_dropped_and_its_waker_does_nothing<E: Executor>(new: New<E>) {
    let (parent, mut executor, log) = with_pending_tasks(new, 0);
    let dropped = Rc::clone(&log);
    spawn(&mut executor, &log, 0, |_| true);
    spawn(&mut executor, &log, 1, move |_| {
        assert_eq!(dropped.drops.get(), 1, "0 has ended: how many are dropped when 1 is polled");
        false
    });
    assert_eq!((executor.turn(), executor.len(), log.polled()), (2, 1, vec![0, 1]), "0 ends");
    parent.take_wakes();
    log.wake(&[0, 0]);
    assert_eq!(
        (executor.turn(), parent.take_wakes()),
        (0, 0),
        "0 is woken after its end: polls, and wakes of the parent"
    );
    (2..6).for_each(|name| spawn(&mut executor, &log, name, |_| false));
    assert_eq!((executor.turn(), log.polled()), (4, vec![2, 3, 4, 5]), "four were spawned, one perhaps with 0's id");
    parent.take_wakes();
    log.wake(&[0]);
    assert_eq!((executor.turn(), log.polled(), parent.take_wakes()), (0, vec![], 0), "0 is woken after its end, again");
}

fn dropping_the_executor_drops_its_tasks<E: Executor>(new: New<E>) {
    let (parent, mut executor, log) = with_pending_tasks(new, 2);
    spawn(&mut executor, &log, 2, |_| false);
    executor.turn();
    parent.take_wakes();
    drop(executor);
    assert_eq!(log.drops.get(), 3, "how many tasks were dropped with the executor, though their wakers live on");
    log.wake(&[0, 1, 2]);
    assert_eq!(parent.take_wakes(), 0, "how often wakers wake the parent when the executor is dropped");
}

fn only_the_first_wake_wakes_the_parent<E: Executor + 'static>(new: New<E>) {
    completes("tasks that wake themselves in their first poll", move || {
        let (parent, mut executor, log) = with_pending_tasks(new, 3);
        log.wake(&[2, 1, 2, 0]);
        assert_eq!(parent.take_wakes(), 1, "three were woken, the first when the queue was empty");
        assert_eq!((executor.turn(), parent.take_wakes()), (3, 0), "no task was woken in the turn");
        (3..5).for_each(|name| {
            let mut is_woken = false;
            spawn(&mut executor, &log, name, move |waker| {
                waker.wake_by_ref();
                std::mem::replace(&mut is_woken, true)
            });
        });
        assert_eq!(parent.take_wakes(), 1, "two were spawned, the first when the queue was empty");
        assert_eq!(
            (executor.turn(), parent.take_wakes()),
            (2, 1),
            "two woke themselves in the turn: the parent has to be woken"
        );
    });
}

fn a_task_has_the_same_waker_in_all_polls<E: Executor>(new: New<E>) {
    let (_, mut executor, log) = with_pending_tasks(new, 2);
    log.wake(&[1]);
    assert_eq!(executor.turn(), 1, "1 was woken");
    let wakers = log.wakers.borrow();
    assert!(wakers[2].will_wake(&wakers[1]), "the waker of a second poll should be that of the first");
    assert!(!wakers[0].will_wake(&wakers[1]), "two tasks should not have the same waker");
}

fn no_lock_is_held_during_poll_drop_and_wake<E: Executor + 'static>(new: New<E>) {
    /// Wakes the first task when it is dropped.
    struct WakeOnDrop(Rc<PollLog>);
    impl Drop for WakeOnDrop {
        fn drop(&mut self) {
            self.0.wake(&[0]);
        }
    }
    let what = "tasks that wake another when they are dropped, and a parent that wakes one when it is woken";
    completes(what, move || {
        let (parent, mut executor, log) = with_pending_tasks(new, 2);
        let (ended, left) = (WakeOnDrop(Rc::clone(&log)), WakeOnDrop(Rc::clone(&log)));
        spawn(&mut executor, &log, 2, move |_| Rc::strong_count(&ended.0) > 0);
        assert_eq!((executor.turn(), log.polled()), (1, vec![2]), "2 was spawned, and ends");
        assert_eq!((executor.turn(), log.polled()), (1, vec![0]), "0 was woken as 2 was dropped");
        *parent.wakes.lock().unwrap() = Some(log.wakers.borrow()[1].clone());
        log.wake(&[0]);
        assert_eq!((executor.turn(), log.polled()), (2, vec![0, 1]), "0 was woken, by that the parent, which woke 1");
        spawn(&mut executor, &log, 3, move |_| Rc::strong_count(&left.0) == 0);
        drop(executor);
    });
}

fn no_wake_by_any_thread_is_lost<E: Executor>(new: New<E>) {
    /// Wakes a parked thread.
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    const ROUNDS: usize = 1_000;
    let deadline = now() + TEST_TIMEOUT;
    let (mut executor, log) = (new(Waker::from(Arc::new(Unpark(thread::current())))), Rc::<PollLog>::default());
    let rounds: Arc<[(AtomicUsize, AtomicUsize); 4]> = Arc::default();
    for name in 0..rounds.len() {
        let rounds = Arc::clone(&rounds);
        spawn(&mut executor, &log, name, move |_| {
            rounds[name].1.store(rounds[name].0.load(SeqCst), SeqCst);
            rounds[name].1.load(SeqCst) == ROUNDS
        });
    }
    executor.turn();
    thread::scope(|scope| {
        for (waker, name) in log.wakers.take().into_iter().zip(log.polled()) {
            let (asked, answered) = &rounds[name];
            scope.spawn(move || {
                for round in 1..=ROUNDS {
                    asked.store(round, SeqCst);
                    waker.wake_by_ref();
                    while answered.load(SeqCst) < round && now() < deadline {
                        thread::yield_now();
                    }
                }
            });
        }
        while !executor.is_empty() {
            let answered: Vec<_> = rounds.iter().map(|round| round.1.load(SeqCst)).collect();
            assert!(now() < deadline, "a wake was lost; of {ROUNDS} each task has answered {answered:?}");
            if executor.turn() == 0 {
                thread::park_timeout(ms(100));
            }
        }
    });
}
