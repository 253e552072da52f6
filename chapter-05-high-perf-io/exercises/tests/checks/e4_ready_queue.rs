//! The checks of exercise 5.4.

use std::collections::VecDeque;

use common::clock::now;
use exercises_05::contracts::{
    NORMAL_INTERVAL,
    Priority::{self, Normal, Urgent},
    ReadyQueue,
};
use integration_tests::rng::Rng;
use integration_tests::wait::TEST_TIMEOUT;

use crate::exercise_checks;

exercise_checks!(
    exercises_05,
    e4_ready_queue::ready_queue,
    [
        ids_are_popped_in_order,
        no_id_is_in_it_twice,
        urgent_ids_come_first,
        normal_ids_are_popped_under_urgent_load,
        no_credit_accumulates,
        an_id_that_becomes_urgent_is_last_of_the_urgent_ones,
        a_removed_id_is_not_popped,
        random_operations_agree_with_the_reference,
        a_hundred_thousand_ids_are_handled_quickly,
    ]
);

fn push(queue: &mut impl ReadyQueue, ids: &[u32], priority: Priority) {
    for id in ids {
        queue.push(*id, priority);
    }
}

fn pop(queue: &mut impl ReadyQueue, count: usize) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop()).take(count).collect()
}

fn ids_are_popped_in_order<Q: ReadyQueue>(new: fn() -> Q) {
    let mut queue = new();
    assert_eq!((queue.pop(), queue.len(), queue.is_empty()), (None, 0, true), "the queue is empty");
    push(&mut queue, &[5, 3, 9], Normal);
    assert_eq!(queue.len(), 3, "how many wait");
    assert_eq!(pop(&mut queue, 2), [5, 3], "the first two");
    push(&mut queue, &[5], Normal);
    assert_eq!(pop(&mut queue, 9), [9, 5], "5 was pushed again, behind 9");
    assert!(queue.is_empty(), "the queue is empty again");
}

fn no_id_is_in_it_twice<Q: ReadyQueue>(new: fn() -> Q) {
    for priority in [Normal, Urgent] {
        let mut queue = new();
        push(&mut queue, &[1, 2, 1, 1, 2, 3], priority);
        assert_eq!(queue.len(), 3, "1, 2 and 3 wait, all {priority:?}");
        assert_eq!(pop(&mut queue, 9), [1, 2, 3], "each once, where it was pushed first");
    }
    let mut queue = new();
    push(&mut queue, &[1, 2], Urgent);
    push(&mut queue, &[1], Normal);
    assert_eq!((queue.len(), pop(&mut queue, 9)), (2, vec![1, 2]), "1 was urgent, and stays so");
}

fn urgent_ids_come_first<Q: ReadyQueue>(new: fn() -> Q) {
    let mut queue = new();
    push(&mut queue, &[10, 11], Normal);
    push(&mut queue, &[1, 2, 3], Urgent);
    assert_eq!(pop(&mut queue, 2), [1, 2], "urgent ones, though they were pushed later");
    push(&mut queue, &[4], Urgent);
    assert_eq!(pop(&mut queue, 9), [3, 4, 10, 11], "the rest");
}

/// The length of the longest run of pops without a normal id.
fn longest_run(pops: &[u32], is_normal: impl Fn(u32) -> bool) -> usize {
    pops.split(|id| is_normal(*id)).map(<[u32]>::len).max().unwrap_or(0)
}

fn normal_ids_are_popped_under_urgent_load<Q: ReadyQueue>(new: fn() -> Q) {
    let mut queue = new();
    push(&mut queue, &(1_000..1_100).collect::<Vec<_>>(), Normal);
    push(&mut queue, &(0..1_000).collect::<Vec<_>>(), Urgent);
    let pops = pop(&mut queue, 500);
    let longest = longest_run(&pops, |id| id >= 1_000);
    assert!(longest < NORMAL_INTERVAL, "{longest} pops in a row were urgent, while normal ids waited");
    let normal = pops.iter().filter(|id| **id >= 1_000).count();
    assert!(normal <= 500 / NORMAL_INTERVAL + 1, "{normal} of 500 pops were normal, while urgent ids waited");

    // Urgent ids that are pushed again as soon as they are popped.
    let mut queue = new();
    push(&mut queue, &[1, 2], Urgent);
    push(&mut queue, &[50, 51, 52], Normal);
    let mut pops = Vec::new();
    for _ in 0..4 * NORMAL_INTERVAL {
        let id = queue.pop().expect("the queue is not empty");
        pops.push(id);
        if id < 50 {
            queue.push(id, Urgent);
        }
    }
    let normal: Vec<_> = pops.into_iter().filter(|id| *id >= 50).collect();
    assert_eq!(normal, [50, 51, 52], "the normal ids that were popped, in order");
}

fn no_credit_accumulates<Q: ReadyQueue>(new: fn() -> Q) {
    // Whatever is counted: after any number of normal pops.
    for pops in 1_000..1_000 + 2 * u32::try_from(NORMAL_INTERVAL).unwrap() {
        let mut queue = new();
        for id in 0..pops {
            push(&mut queue, &[id], Normal);
            assert_eq!(queue.pop(), Some(id), "a normal id alone");
        }
        push(&mut queue, &[5, 6, 7], Normal);
        push(&mut queue, &[10_000], Urgent);
        assert_eq!(queue.pop(), Some(10_000), "{pops} pops were normal; an urgent id is next all the same");
    }
    let mut queue = new();
    for id in 0..1_000 {
        push(&mut queue, &[id], Urgent);
        assert_eq!(queue.pop(), Some(id), "an urgent id alone");
    }
    push(&mut queue, &[2_000, 2_001], Normal);
    push(&mut queue, &[1, 2, 3], Urgent);
    assert_eq!(pop(&mut queue, 3), [1, 2, 3], "urgent pops while no normal id waited do not count");
}

fn an_id_that_becomes_urgent_is_last_of_the_urgent_ones<Q: ReadyQueue>(new: fn() -> Q) {
    let mut queue = new();
    push(&mut queue, &[10, 11, 12], Normal);
    push(&mut queue, &[1], Urgent);
    push(&mut queue, &[11], Urgent);
    assert_eq!(queue.len(), 4, "11 is still there once");
    assert_eq!(pop(&mut queue, 9), [1, 11, 10, 12], "11 became urgent");
}

fn a_removed_id_is_not_popped<Q: ReadyQueue>(new: fn() -> Q) {
    let mut queue = new();
    queue.remove(1);
    push(&mut queue, &[1, 2, 3], Normal);
    push(&mut queue, &[7, 8], Urgent);
    queue.remove(2);
    queue.remove(7);
    queue.remove(7);
    assert_eq!((queue.len(), pop(&mut queue, 9)), (3, vec![8, 1, 3]), "2 and 7 are gone");
    push(&mut queue, &[1, 2, 3], Normal);
    queue.remove(1);
    push(&mut queue, &[1], Normal);
    assert_eq!((queue.len(), pop(&mut queue, 9)), (3, vec![2, 3, 1]), "1 was removed and pushed again, so it is last");
    push(&mut queue, &[1, 2], Urgent);
    queue.remove(1);
    push(&mut queue, &[1], Normal);
    assert_eq!(pop(&mut queue, 9), [2, 1], "1 was urgent, was removed, and is normal now");
}

/// A simple and slow implementation of the contract.
#[derive(Default)]
struct ReferenceQueue {
    urgent: VecDeque<u32>,
    normal: VecDeque<u32>,
    in_a_row: usize,
}

impl ReferenceQueue {
    fn push(&mut self, id: u32, priority: Priority) {
        match priority {
            _ if self.urgent.contains(&id) => {}
            Normal if self.normal.contains(&id) => {}
            Normal => self.normal.push_back(id),
            Urgent => {
                self.remove(id);
                self.urgent.push_back(id);
            }
        }
    }

    fn remove(&mut self, id: u32) {
        self.urgent.retain(|other| *other != id);
        self.normal.retain(|other| *other != id);
    }

    fn pop(&mut self) -> Option<u32> {
        let normal_waits = !self.normal.is_empty();
        let takes_normal = normal_waits && (self.urgent.is_empty() || self.in_a_row == NORMAL_INTERVAL - 1);
        self.in_a_row = if normal_waits && !takes_normal { self.in_a_row + 1 } else { 0 };
        if takes_normal { self.normal.pop_front() } else { self.urgent.pop_front() }
    }
}

fn random_operations_agree_with_the_reference<Q: ReadyQueue>(new: fn() -> Q) {
    for seed in 0..500 {
        let (mut random, mut queue, mut plain) = (Rng::new(seed), new(), ReferenceQueue::default());
        for step in 0..300 {
            let id = u32::try_from(random.below(12)).unwrap();
            let priority = *random.pick(&[Urgent, Normal]);
            match random.below(8) {
                0 => {
                    queue.remove(id);
                    plain.remove(id);
                }
                1..=3 => assert_eq!(queue.pop(), plain.pop(), "seed {seed}: which id is popped in step {step}"),
                _ => {
                    queue.push(id, priority);
                    plain.push(id, priority);
                }
            }
            let waiting = plain.urgent.len() + plain.normal.len();
            assert_eq!(queue.len(), waiting, "seed {seed}: how many wait after step {step}");
        }
    }
}

fn a_hundred_thousand_ids_are_handled_quickly<Q: ReadyQueue>(new: fn() -> Q) {
    const MANY: u32 = 100_000;
    let (mut queue, begun) = (new(), now());
    let assert_in_time = |what: &str, done: u32| {
        let took = begun.elapsed();
        assert!(took < TEST_TIMEOUT, "{what} {done} of {MANY} should not take {took:?}");
    };
    for id in 0..MANY {
        queue.push(id, Normal);
        queue.push(id, Normal);
        assert_in_time("to push", id);
    }
    for id in (0..MANY).rev().step_by(2) {
        queue.remove(id);
        assert_in_time("to remove", id);
    }
    for id in (0..MANY).step_by(4) {
        queue.push(id, Urgent);
    }
    // One id that is removed and pushed again, over and over.
    for round in 0..4 * MANY {
        queue.remove(2);
        queue.push(2, Normal);
        assert_in_time("to remove and push, again and again,", round);
    }
    let mut left = MANY / 2;
    while queue.pop().is_some() {
        left -= 1;
        assert_in_time("to pop", left);
    }
    assert_eq!(left, 0, "how many ids were never popped");
}
