//! The checks of exercise 6.1.

use std::time::Duration;

use exercises_06::contracts::{
    Account,
    Act::{self, Put, Take},
    Order::{self, FirstIn, LastIn},
    Trace,
};
use integration_tests::{exercise_checks, rng::Rng, wait::ms};

type Answer = fn(&Trace, Order) -> Account;

exercise_checks!(
    exercises_06,
    e1_order::account,
    [
        a_take_gets_an_idle_connection_or_connects,
        an_idle_connection_is_closed_exactly_at_its_timeout,
        connections_at_the_bottom_are_closed_without_a_take,
        timeouts_after_the_last_operation_count,
        a_stack_closes_what_a_burst_has_left,
        a_stack_pays_for_repeated_bursts,
        any_operations_agree_with_a_plain_list,
    ]
);

const REST: Duration = Duration::from_secs(30);

/// A trace of operations at these milliseconds.
fn trace(acts: &[(u64, Act)], end: u64) -> Trace {
    Trace { acts: acts.iter().map(|(at, act)| (ms(*at), *act)).collect(), rest: REST, end: ms(end) }
}

fn expect(account: Answer, trace: &Trace, order: Order, [connects, expired, warm]: [usize; 3]) {
    let expected = Account { connects, expired, warm };
    let few = &trace.acts[..trace.acts.len().min(12)];
    assert_eq!(
        account(trace, order),
        expected,
        "{order:?}, until {:?}, operations (the first twelve): {few:?}",
        trace.end
    );
}

fn both(account: Answer, trace: &Trace, expected: [usize; 3]) {
    expect(account, trace, LastIn, expected);
    expect(account, trace, FirstIn, expected);
}

fn a_take_gets_an_idle_connection_or_connects(account: Answer) {
    both(account, &trace(&[], 100_000), [0, 0, 0]);
    both(account, &trace(&[(0, Take)], 100_000), [1, 0, 0]);
    both(account, &trace(&[(0, Take), (5, Put)], 10), [1, 0, 1]);
    both(account, &trace(&[(0, Take), (5, Put), (6, Take), (7, Put), (8, Take)], 9), [1, 0, 0]);
    both(account, &trace(&[(0, Take), (0, Take), (1, Put), (2, Take), (2, Take), (3, Put)], 3), [3, 0, 1]);
}

fn an_idle_connection_is_closed_exactly_at_its_timeout(account: Answer) {
    both(account, &trace(&[(0, Take), (1, Put), (30_000, Take)], 30_000), [1, 0, 0]);
    both(account, &trace(&[(0, Take), (1, Put), (30_001, Take)], 30_001), [2, 1, 0]);
    // Two at the bottom have reached the idle timeout; the third has not.
    let three = [(0, Take), (0, Take), (0, Take), (1, Put), (2, Put), (9_000, Put), (31_000, Take)];
    both(account, &trace(&three, 31_000), [3, 2, 0]);
}

fn connections_at_the_bottom_are_closed_without_a_take(account: Answer) {
    let acts = [(0, Take), (0, Take), (0, Take), (1, Put), (1, Put), (1, Put), (20_000, Take), (20_001, Put)];
    let then = [(40_000, Take), (40_001, Put)];
    both(account, &trace(&[&acts[..], &then].concat(), 40_002), [3, 2, 1]);
}

fn timeouts_after_the_last_operation_count(account: Answer) {
    let acts = [(0, Take), (0, Take), (1_000, Put), (2_000, Put)];
    for (end, expected) in
        [(30_999, [2, 0, 2]), (31_000, [2, 1, 1]), (31_999, [2, 1, 1]), (32_000, [2, 2, 0]), (90_000, [2, 2, 0])]
    {
        both(account, &trace(&acts, end), expected);
    }
}

/// Every 45 s a hundred requests at once; in between one at a time, 10 ms apart.
fn bursts(count: u64) -> Trace {
    let mut acts = Vec::new();
    for begin in (0..count).map(|burst| burst * 45_000) {
        acts.extend([(begin, Take); 100]);
        acts.extend([(begin + 1_000, Put); 100]);
        acts.extend((101..4_500).flat_map(|tenth| [(begin + tenth * 10, Take), (begin + tenth * 10 + 5, Put)]));
    }
    trace(&acts, count * 45_000)
}

fn a_stack_closes_what_a_burst_has_left(account: Answer) {
    // The traffic needs one connection. The stack keeps one, the queue keeps a hundred throughout.
    expect(account, &bursts(1), LastIn, [100, 99, 1]);
    expect(account, &bursts(1), FirstIn, [100, 0, 100]);
}

fn a_stack_pays_for_repeated_bursts(account: Answer) {
    expect(account, &bursts(10), LastIn, [991, 990, 1]);
    expect(account, &bursts(10), FirstIn, [100, 0, 100]);
}

/// The contract, simple and slow: each connection with the start of its idle time, all checked at every operation.
fn plain(trace: &Trace, order: Order) -> Account {
    let (mut account, mut idle) = (Account::default(), Vec::<Duration>::new());
    let mut sweep = |idle: &mut Vec<Duration>, now: Duration| {
        let before = idle.len();
        idle.retain(|since| *since + trace.rest > now);
        account.expired += before - idle.len();
    };
    for (at, act) in &trace.acts {
        sweep(&mut idle, *at);
        let indices = 0..idle.len();
        let chosen = if order == LastIn { indices.max_by_key(|one| (idle[*one], *one)) } else { indices.min() };
        match (act, chosen) {
            (Put, _) => idle.push(*at),
            (Take, Some(index)) => {
                idle.remove(index);
            }
            (Take, None) => account.connects += 1,
        }
    }
    sweep(&mut idle, trace.end);
    Account { warm: idle.len(), ..account }
}

fn any_operations_agree_with_a_plain_list(account: Answer) {
    for seed in 0..2_000 {
        let (mut random, mut acts, mut at, mut in_use) = (Rng::new(seed), Vec::new(), 0, 0);
        for _ in 0..random.below(40) {
            at += random.below(16) as u64 * 1_000;
            let act = if in_use > 0 && random.below(2) == 0 { Put } else { Take };
            in_use = if act == Take { in_use + 1 } else { in_use - 1 };
            acts.push((at, act));
        }
        let trace = trace(&acts, at + random.below(45) as u64 * 1_000);
        for order in [LastIn, FirstIn] {
            let (found, expected) = (account(&trace, order), plain(&trace, order));
            assert_eq!(found, expected, "seed {seed}, {order:?}, until {:?}: {:?}", trace.end, trace.acts);
        }
    }
}
