//! The checks of exercise 6.1.

use std::time::Duration;

use exercises_06::contracts::{
    Operation::{self, Put, Take},
    ReuseOrder::{self, Fifo, Lifo},
    Trace, TraceResult,
};
use integration_tests::{rng::Rng, wait::ms};

use crate::exercise_checks;

type Replay = fn(&Trace, ReuseOrder) -> TraceResult;

exercise_checks!(
    exercises_06,
    e1_lifo_fifo::replay,
    [
        a_take_gets_an_idle_connection_or_connects,
        an_idle_connection_is_closed_exactly_at_its_timeout,
        connections_at_the_bottom_are_closed_without_a_take,
        timeouts_after_the_last_operation_count,
        a_stack_closes_what_a_burst_has_left,
        a_stack_pays_for_repeated_bursts,
        random_operations_agree_with_the_reference,
    ]
);

const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A trace of operations at these milliseconds.
fn trace(operations: &[(u64, Operation)], end: u64) -> Trace {
    Trace {
        operations: operations.iter().map(|(at, operation)| (ms(*at), *operation)).collect(),
        idle_timeout: IDLE_TIMEOUT,
        end: ms(end),
    }
}

fn assert_result(replay: Replay, trace: &Trace, order: ReuseOrder, [connects, expired, idle]: [usize; 3]) {
    let expected = TraceResult { connects, expired, idle };
    let few = &trace.operations[..trace.operations.len().min(12)];
    assert_eq!(
        replay(trace, order),
        expected,
        "{order:?}, until {:?}, operations (the first twelve): {few:?}",
        trace.end
    );
}

fn assert_both_orders(replay: Replay, trace: &Trace, expected: [usize; 3]) {
    assert_result(replay, trace, Lifo, expected);
    assert_result(replay, trace, Fifo, expected);
}

fn a_take_gets_an_idle_connection_or_connects(replay: Replay) {
    assert_both_orders(replay, &trace(&[], 100_000), [0, 0, 0]);
    assert_both_orders(replay, &trace(&[(0, Take)], 100_000), [1, 0, 0]);
    assert_both_orders(replay, &trace(&[(0, Take), (5, Put)], 10), [1, 0, 1]);
    assert_both_orders(replay, &trace(&[(0, Take), (5, Put), (6, Take), (7, Put), (8, Take)], 9), [1, 0, 0]);
    assert_both_orders(replay, &trace(&[(0, Take), (0, Take), (1, Put), (2, Take), (2, Take), (3, Put)], 3), [3, 0, 1]);
}

fn an_idle_connection_is_closed_exactly_at_its_timeout(replay: Replay) {
    assert_both_orders(replay, &trace(&[(0, Take), (1, Put), (30_000, Take)], 30_000), [1, 0, 0]);
    assert_both_orders(replay, &trace(&[(0, Take), (1, Put), (30_001, Take)], 30_001), [2, 1, 0]);
    // Two at the bottom have reached the idle timeout; the third has not.
    let three = [(0, Take), (0, Take), (0, Take), (1, Put), (2, Put), (9_000, Put), (31_000, Take)];
    assert_both_orders(replay, &trace(&three, 31_000), [3, 2, 0]);
}

fn connections_at_the_bottom_are_closed_without_a_take(replay: Replay) {
    let operations = [(0, Take), (0, Take), (0, Take), (1, Put), (1, Put), (1, Put), (20_000, Take), (20_001, Put)];
    let then = [(40_000, Take), (40_001, Put)];
    assert_both_orders(replay, &trace(&[&operations[..], &then].concat(), 40_002), [3, 2, 1]);
}

fn timeouts_after_the_last_operation_count(replay: Replay) {
    let operations = [(0, Take), (0, Take), (1_000, Put), (2_000, Put)];
    for (end, expected) in
        [(30_999, [2, 0, 2]), (31_000, [2, 1, 1]), (31_999, [2, 1, 1]), (32_000, [2, 2, 0]), (90_000, [2, 2, 0])]
    {
        assert_both_orders(replay, &trace(&operations, end), expected);
    }
}

/// Every 45 s a hundred requests at once; in between one at a time, 10 ms apart.
fn burst_trace(count: u64) -> Trace {
    let mut operations = Vec::new();
    for begin in (0..count).map(|burst| burst * 45_000) {
        operations.extend([(begin, Take); 100]);
        operations.extend([(begin + 1_000, Put); 100]);
        operations.extend((101..4_500).flat_map(|tenth| [(begin + tenth * 10, Take), (begin + tenth * 10 + 5, Put)]));
    }
    trace(&operations, count * 45_000)
}

fn a_stack_closes_what_a_burst_has_left(replay: Replay) {
    // The traffic needs one connection. The stack keeps one, the queue keeps a hundred throughout.
    assert_result(replay, &burst_trace(1), Lifo, [100, 99, 1]);
    assert_result(replay, &burst_trace(1), Fifo, [100, 0, 100]);
}

fn a_stack_pays_for_repeated_bursts(replay: Replay) {
    assert_result(replay, &burst_trace(10), Lifo, [991, 990, 1]);
    assert_result(replay, &burst_trace(10), Fifo, [100, 0, 100]);
}

/// The contract, simple and slow: each connection with the start of its idle time, all checked at every operation.
fn reference_replay(trace: &Trace, order: ReuseOrder) -> TraceResult {
    let (mut result, mut idle) = (TraceResult::default(), Vec::<Duration>::new());
    let mut sweep = |idle: &mut Vec<Duration>, now: Duration| {
        let before = idle.len();
        idle.retain(|since| *since + trace.idle_timeout > now);
        result.expired += before - idle.len();
    };
    for (at, operation) in &trace.operations {
        sweep(&mut idle, *at);
        let indices = 0..idle.len();
        let chosen = if order == Lifo { indices.max_by_key(|one| (idle[*one], *one)) } else { indices.min() };
        match (operation, chosen) {
            (Put, _) => idle.push(*at),
            (Take, Some(index)) => {
                idle.remove(index);
            }
            (Take, None) => result.connects += 1,
        }
    }
    sweep(&mut idle, trace.end);
    TraceResult { idle: idle.len(), ..result }
}

fn random_operations_agree_with_the_reference(replay: Replay) {
    for seed in 0..2_000 {
        let (mut random, mut operations, mut at, mut in_use) = (Rng::new(seed), Vec::new(), 0, 0);
        for _ in 0..random.below(40) {
            at += random.below(16) as u64 * 1_000;
            let operation = if in_use > 0 && random.below(2) == 0 { Put } else { Take };
            in_use = if operation == Take { in_use + 1 } else { in_use - 1 };
            operations.push((at, operation));
        }
        let trace = trace(&operations, at + random.below(45) as u64 * 1_000);
        for order in [Lifo, Fifo] {
            let (found, expected) = (replay(&trace, order), reference_replay(&trace, order));
            assert_eq!(found, expected, "seed {seed}, {order:?}, until {:?}: {:?}", trace.end, trace.operations);
        }
    }
}
