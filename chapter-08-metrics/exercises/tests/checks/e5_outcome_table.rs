//! The checks of exercise 8.5.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use integration_tests::allocations::{AllocationCounter, CountingAllocator, count_this_thread};
use lb_metrics::record::outcomes::{Outcome, OutcomeTable};

use crate::exercise_checks;

type Table = fn(usize) -> Box<dyn OutcomeTable>;

exercise_checks!(
    exercises_08,
    e5_outcome_table::table,
    [
        each_outcome_has_a_count_of_its_own,
        as_many_as_promised_have_counts_and_the_rest_is_overflow,
        reading_takes_nothing_away,
        a_reader_sees_no_step_back_and_no_outcome_twice,
        counting_allocates_nothing,
        the_memory_is_bounded,
    ],
    suites ["metrics"] of "chapter-08-metrics" with "your_table_lb" or "solution_table_lb"
);

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Different ones for different numbers below 38 * 500.
fn outcome(number: u64) -> Outcome {
    Outcome::from_key((number / 19_000) << 32 | (100 + number % 500) << 8 | (number / 500 % 38))
}

fn sum(table: &dyn OutcomeTable) -> u64 {
    table.counts().iter().map(|(_, count)| count).sum::<u64>() + table.overflow()
}

fn each_outcome_has_a_count_of_its_own(table: Table) {
    let table = table(16);
    assert_eq!((table.counts(), table.overflow()), (Vec::new(), 0));
    for number in 0..10 {
        (0..=number).for_each(|_| table.count(outcome(number * 777)));
    }
    let counts: HashMap<_, _> = table.counts().into_iter().collect();
    assert_eq!(counts.len(), 10);
    for number in 0..10 {
        assert_eq!(counts.get(&outcome(number * 777)), Some(&(number + 1)), "outcome {number}");
    }
    assert_eq!(table.overflow(), 0);
}

fn as_many_as_promised_have_counts_and_the_rest_is_overflow(table: Table) {
    for most in [1, 7, 64, 100] {
        let table = table(most);
        let most = u64::try_from(most).unwrap();
        let all = 3 * most + 200;
        (0..all).for_each(|number| table.count(outcome(number)));
        let known: BTreeSet<_> = table.counts().into_iter().map(|(outcome, _)| outcome).collect();
        assert!((0..most).all(|number| known.contains(&outcome(number))), "the first {most} have counts");
        assert!(table.overflow() > 0, "{all} outcomes do not fit");
        assert_eq!(sum(&*table), all);
        // One that is known is still counted.
        table.count(outcome(0));
        assert!(table.counts().contains(&(outcome(0), 2)), "the first one, once more");
    }
}

fn reading_takes_nothing_away(table: Table) {
    let table = table(8);
    (0..5).for_each(|_| table.count(outcome(1)));
    for _ in 0..3 {
        assert_eq!(table.counts(), [(outcome(1), 5)]);
    }
}

fn a_reader_sees_no_step_back_and_no_outcome_twice(table: Table) {
    const REQUESTS: u64 = 400_000;
    let (table, done) = (table(64), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut last, mut last_overflow) = (HashMap::new(), 0);
                while !done.load(SeqCst) {
                    let mut now = HashMap::new();
                    for (outcome, count) in table.counts() {
                        assert!(now.insert(outcome, count).is_none(), "{outcome:?} twice");
                        assert!(count <= REQUESTS, "{outcome:?}: {count}");
                    }
                    for (outcome, before) in &last {
                        let count = now.get(outcome);
                        assert!(count.is_some_and(|count| count >= before), "{outcome:?}: {before}, then {count:?}");
                    }
                    let overflow = table.overflow();
                    assert!(overflow >= last_overflow, "overflow: {last_overflow}, then {overflow}");
                    (last, last_overflow) = (now, overflow);
                }
            });
        }
        (0..REQUESTS).for_each(|number| table.count(outcome(number * number % 90)));
        done.store(true, SeqCst);
    });
    assert_eq!(sum(&*table), REQUESTS);
}

fn counting_allocates_nothing(table: Table) {
    static THREAD: AllocationCounter = AllocationCounter::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            count_this_thread(&THREAD);
            let table = table(64);
            let before = THREAD.count();
            assert!(before > 0, "it has to have its memory somewhere, and this thread is watched");
            (0..1_000).for_each(|number| table.count(outcome(number % 100)));
            assert_eq!(THREAD.count() - before, 0, "allocations in 1,000 requests");
        });
    });
}

fn the_memory_is_bounded(table: Table) {
    for most in [1, 100, 3_000] {
        let table = table(most);
        let bytes = table.bytes();
        assert!((8 * most..=32 * most + 256).contains(&bytes), "{bytes} bytes for {most} outcomes");
    }
}
