//! The checks of exercise 7.4. The simulation holds each verdict and each request to the counter to the contract; the
//! checks differ in what happens, and look at the sums.

use std::time::Duration;

use exercises_07::contracts::{LeasingLimiter, SharedLimit};
use integration_tests::{rng::Rng, wait::ms};

use crate::{
    cluster::{Cluster, Demand, Outage, Plan},
    exercise_checks,
};

type New<L> = fn(SharedLimit) -> L;

exercise_checks!(
    exercises_07,
    e4_token_leases::leasing_limiter,
    [
        the_sum_of_all_balancers_is_the_limit,
        one_balancer_alone_can_use_the_whole_limit,
        a_token_is_worth_nothing_in_another_window,
        few_requests_wait_and_few_are_sent_to_the_counter,
        a_window_that_is_used_up_is_left_alone,
        a_balancer_that_dies_takes_a_batch_with_it,
        without_the_counter_each_balancer_has_its_local_share,
        a_lost_response_costs_a_batch_and_no_more,
        a_counter_that_is_back_is_used_again,
        random_outages_exceed_the_limit_by_the_local_shares_at_most,
    ]
);

const LIMIT: SharedLimit =
    SharedLimit { limit: 1_000, window: Duration::from_secs(1), balancers: 4, batch: 40, backoff: ms(200) };

/// Each balancer gets so many requests per second for some seconds; a round trip takes 20 ms.
fn plan(per_second: [u32; 4], seconds: u64) -> Plan {
    let demand = |(balancer, per_second): (usize, u32)| Demand { balancer, per_second, from: 0, to: seconds * 1_000 };
    let demands = per_second.into_iter().enumerate().filter(|(_, per_second)| *per_second > 0).map(demand).collect();
    Plan { limit: LIMIT, round_trip: ms(20), demands, outages: Vec::new(), death: None }
}

/// An outage of all balancers.
fn outage(from: u64, to: u64, is_granted: bool) -> Vec<Outage> {
    (0..4).map(|balancer| Outage { balancer, from, to, is_granted }).collect()
}

fn the_sum_of_all_balancers_is_the_limit<L: LeasingLimiter>(new: New<L>) {
    for demands in [[600; 4], [1_500, 500, 50, 3], [333, 334, 335, 336]] {
        let cluster = Cluster::run(new, &plan(demands, 5));
        for window in 0..5 {
            let passed = cluster.passed(window);
            // A balancer that asks rarely may keep a batch to itself.
            assert!((880..=1_000).contains(&passed), "{passed} of 1,000 pass in window {window}; demands {demands:?}");
        }
    }
}

fn one_balancer_alone_can_use_the_whole_limit<L: LeasingLimiter>(new: New<L>) {
    let cluster = Cluster::run(new, &plan([0, 1_200, 0, 0], 3));
    for window in 0..3 {
        let passed = cluster.passed(window);
        assert!((960..=1_000).contains(&passed), "{passed} of 1,000 pass the only balancer with requests");
    }
}

/// Responses take most of a window, and many arrive in the next one.
fn a_token_is_worth_nothing_in_another_window<L: LeasingLimiter>(new: New<L>) {
    for round_trip in [20, 300, 700, 1_400] {
        let plan = Plan { round_trip: ms(round_trip), ..plan([30, 90, 0, 0], 6) };
        let cluster = Cluster::run(new, &plan);
        let sums: Vec<_> = (0..6).map(|window| cluster.passed(window)).collect();
        assert!(sums.iter().all(|sum| *sum <= 1_000), "{sums:?}");
    }
}

fn few_requests_wait_and_few_are_sent_to_the_counter<L: LeasingLimiter>(new: New<L>) {
    for per_second in [400, 440] {
        let cluster = Cluster::run(new, &plan([per_second, per_second, 0, 0], 4));
        for (balancer, window) in [(0, 1), (1, 1), (0, 2), (1, 3)] {
            let counts = cluster.counts(balancer, window);
            let context = format!("balancer {balancer} in window {window}, {per_second} per second: {counts:?}");
            assert!(counts.waited * 20 <= counts.arrived, "{context}: more than 5 in 100 wait");
            assert!(counts.sent <= 4 * counts.passed / LIMIT.batch + 2, "{context}: too many requests to the counter");
            assert_eq!(counts.refused, 0, "{context}: the limit is not reached");
        }
    }
}

fn a_window_that_is_used_up_is_left_alone<L: LeasingLimiter>(new: New<L>) {
    let cluster = Cluster::run(new, &plan([2_000; 4], 3));
    for balancer in 0..4 {
        let counts = cluster.counts(balancer, 1);
        assert!(counts.refused > 1_500, "balancer {balancer}: {counts:?}");
        assert!(counts.sent <= 4 * counts.passed / LIMIT.batch + 2, "balancer {balancer}: {counts:?}");
    }
}

fn a_balancer_that_dies_takes_a_batch_with_it<L: LeasingLimiter>(new: New<L>) {
    for at in (2_005..2_400).step_by(13) {
        let plan = Plan { death: Some((0, at)), ..plan([400, 900, 900, 900], 4) };
        let cluster = Cluster::run(new, &plan);
        let passed = cluster.passed(2);
        assert!((960..=1_000).contains(&passed), "{passed} of 1,000 pass in the window in which one dies, at {at} ms");
        assert!(cluster.passed(3) >= 999, "{} in the next one", cluster.passed(3));
    }
}

fn without_the_counter_each_balancer_has_its_local_share<L: LeasingLimiter>(new: New<L>) {
    let plan = Plan { outages: outage(0, 60_000, false), ..plan([600, 250, 100, 251], 5) };
    let cluster = Cluster::run(new, &plan);
    for window in 1..5 {
        let passed = [0, 1, 2, 3].map(|balancer| cluster.counts(balancer, window).passed);
        assert_eq!(passed, [250, 250, 100, 250], "in window {window}: the local share is 250");
        // One each 200 ms, and the time-out of 100 ms.
        let sent = [0, 1, 2, 3].map(|balancer| cluster.counts(balancer, window).sent);
        assert!(sent.iter().all(|sent| (2..=5).contains(sent)), "requests to the counter in window {window}: {sent:?}");
    }
}

fn a_lost_response_costs_a_batch_and_no_more<L: LeasingLimiter>(new: New<L>) {
    let outages = vec![Outage { balancer: 1, from: 1_100, to: 1_200, is_granted: true }];
    let cluster = Cluster::run(new, &Plan { outages, ..plan([900, 300, 900, 900], 4) });
    let passed = cluster.passed(1);
    assert!((920..=1_250).contains(&passed), "{passed} in the window with a lost response");
    for window in [2, 3] {
        assert!((960..=1_000).contains(&cluster.passed(window)), "{} after it", cluster.passed(window));
    }
}

fn a_counter_that_is_back_is_used_again<L: LeasingLimiter>(new: New<L>) {
    let plan = Plan { outages: outage(1_300, 3_600, false), ..plan([1_000, 100, 100, 0], 8) };
    let cluster = Cluster::run(new, &plan);
    let of_first = |window| cluster.counts(0, window).passed;
    assert!(of_first(0) > 700, "{} of the first before the outage", of_first(0));
    assert_eq!(of_first(2), 250, "its local share during the outage");
    for window in 5..8 {
        let sum = cluster.passed(window);
        assert!(of_first(window) > 700, "{} of the first in window {window}, after the outage", of_first(window));
        assert!(sum <= 1_000, "{sum} in window {window}, after the outage");
    }
}

fn random_outages_exceed_the_limit_by_the_local_shares_at_most<L: LeasingLimiter>(new: New<L>) {
    for seed in 0..40 {
        let mut random = Rng::new(seed);
        let mut below = |bound: usize| u64::try_from(random.below(bound)).expect("it is small");
        let per_second = [0; 4].map(|_| u32::try_from(20 + below(900)).expect("it is small"));
        let outages = (0..4)
            .map(|balancer| {
                let from = below(2_500);
                Outage { balancer, from, to: from + below(1_400), is_granted: below(2) == 0 }
            })
            .collect();
        let batch = [1, 7, 40, 100][usize::try_from(below(4)).expect("it is small")];
        let limit = SharedLimit { batch, backoff: ms(50 + below(400)), ..LIMIT };
        let plan = Plan { limit, outages, round_trip: ms(1 + below(90)), ..plan(per_second, 6) };
        let cluster = Cluster::run(new, &plan);
        for window in 0..6 {
            let sum = cluster.passed(window);
            let most = if window < 5 { 2_000 } else { 1_000 };
            assert!(sum <= most, "seed {seed}: {sum} in window {window}; {plan:?}");
        }
    }
}
