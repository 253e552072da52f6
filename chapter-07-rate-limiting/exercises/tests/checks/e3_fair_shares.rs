//! The checks of exercise 7.3.

use std::time::Duration;

use exercises_07::contracts::{FairLimiter, Tenant};
use integration_tests::{rng::Rng, wait::ms};

use crate::exercise_checks;

type New<L> = fn(u32, &[Tenant]) -> L;

exercise_checks!(
    exercises_07,
    e3_fair_shares::fair_limiter,
    [
        each_bucket_is_full_at_first,
        a_tenant_that_asks_for_its_share_is_never_refused,
        unused_shares_are_borrowed,
        borrowed_shares_are_divided_by_weight,
        a_share_is_given_back_at_once,
        a_pause_fills_the_buckets_one_after_another,
        the_rate_is_never_exceeded,
        random_tenants_get_their_max_min_shares,
    ]
);

/// No tenant asks more often: a bucket must not overflow between two requests.
const FLOOD: u32 = 2_000;

fn tenants<const N: usize>(weights: [u32; N], burst: u32) -> [Tenant; N] {
    weights.map(|weight| Tenant { weight, burst })
}

/// Tenants that ask evenly, so many times per second each, for some time; how many of each pass.
struct Traffic<L> {
    limiter: L,
    now: Duration,
}

impl<L: FairLimiter> Traffic<L> {
    fn new(limiter: L) -> Self {
        Self { limiter, now: Duration::ZERO }
    }

    fn run(&mut self, demands: &[u32], length: Duration) -> Vec<u32> {
        let mut requests = Vec::new();
        for (tenant, demand) in demands.iter().enumerate().filter(|(_, demand)| **demand > 0) {
            let every = Duration::from_secs(1) / *demand;
            // Not all at the same moments.
            let first = every * (u32::try_from(tenant).expect("there are few") + 1) / 7;
            let times = (0..).map(|number| first + every * number).take_while(|at| *at < length);
            requests.extend(times.map(|at| (at, tenant)));
        }
        requests.sort_unstable();
        let mut passed = vec![0; demands.len()];
        for (at, tenant) in requests {
            passed[tenant] += u32::from(self.limiter.allow(tenant, self.now + at));
        }
        self.now += length;
        passed
    }

    /// How many of so many requests pass that a tenant sends now.
    fn burst(&mut self, tenant: usize, count: usize) -> usize {
        (0..count).filter(|_| self.limiter.allow(tenant, self.now)).count()
    }
}

/// The max-min shares of a rate.
fn max_min(rate: u32, tenants: &[Tenant], demands: &[u32]) -> Vec<f64> {
    let mut shares = vec![None; tenants.len()];
    let mut left = f64::from(rate);
    loop {
        let open = || tenants.iter().zip(demands).zip(&shares).enumerate().filter(|(_, (_, share))| share.is_none());
        let weights: f64 = open().map(|(_, ((tenant, _), _))| f64::from(tenant.weight)).sum();
        let fair = |tenant: &Tenant| left * f64::from(tenant.weight) / weights;
        let satisfied: Vec<_> =
            open().filter(|(_, ((tenant, demand), _))| f64::from(**demand) <= fair(tenant)).map(|(at, _)| at).collect();
        if satisfied.is_empty() {
            return tenants.iter().zip(&shares).map(|(tenant, share)| share.unwrap_or_else(|| fair(tenant))).collect();
        }
        for at in satisfied {
            shares[at] = Some(f64::from(demands[at]));
            left -= f64::from(demands[at]);
        }
    }
}

/// Runs the traffic for 10 s, and then asserts for 20 s that each tenant gets its share.
fn assert_shares<L: FairLimiter>(new: New<L>, rate: u32, tenants: &[Tenant], demands: &[u32]) {
    let mut traffic = Traffic::new(new(rate, tenants));
    traffic.run(demands, Duration::from_secs(10));
    let passed = traffic.run(demands, Duration::from_secs(20));
    for (at, share) in max_min(rate, tenants, demands).into_iter().enumerate() {
        let (expected, got) = (share * 20.0, f64::from(passed[at]));
        let most = expected * 0.03 + f64::from(tenants[at].burst) + 2.0;
        assert!(
            (got - expected).abs() <= most,
            "tenant {at} got {:.1} per second, its max-min share is {share:.1}: {rate} per second for {tenants:?}, \
             which ask for {demands:?} per second",
            got / 20.0
        );
    }
}

fn each_bucket_is_full_at_first<L: FairLimiter>(new: New<L>) {
    let mut traffic = Traffic::new(new(10, &[Tenant { weight: 1, burst: 5 }, Tenant { weight: 3, burst: 7 }]));
    assert_eq!((traffic.burst(0, 50), traffic.burst(1, 50)), (5, 7), "the bursts at time 0");
    assert_eq!((traffic.burst(0, 50), traffic.burst(1, 50)), (0, 0), "and again, without a pause");
}

fn a_tenant_that_asks_for_its_share_is_never_refused<L: FairLimiter>(new: New<L>) {
    for (weights, demands) in
        [([1, 1, 1], [95, FLOOD, FLOOD]), ([1, 2, 3], [45, FLOOD, FLOOD]), ([8, 1, 1], [230, FLOOD, FLOOD])]
    {
        let mut traffic = Traffic::new(new(300, &tenants(weights, 10)));
        let passed = traffic.run(&demands, Duration::from_secs(20));
        assert_eq!(
            passed[0],
            demands[0] * 20,
            "of a tenant that asks for less than its share; 300 per second, weights {weights:?}, asked {demands:?}"
        );
    }
}

fn unused_shares_are_borrowed<L: FairLimiter>(new: New<L>) {
    let three = tenants([1, 1, 1], 10);
    assert_shares(new, 300, &three, &[0, 0, FLOOD]);
    assert_shares(new, 300, &three, &[0, FLOOD, FLOOD]);
    assert_shares(new, 300, &three, &[10, FLOOD, 400]);
    assert_shares(new, 300, &three, &[10, 120, FLOOD]);
    assert_shares(new, 300, &three, &[FLOOD, 500, 400]);
}

fn borrowed_shares_are_divided_by_weight<L: FairLimiter>(new: New<L>) {
    assert_shares(new, 400, &tenants([2, 1, 1], 10), &[0, FLOOD, FLOOD]);
    assert_shares(new, 600, &tenants([1, 1, 4], 10), &[0, FLOOD, FLOOD]);
    assert_shares(new, 600, &tenants([3, 2, 1], 10), &[20, FLOOD, FLOOD]);
}

fn a_share_is_given_back_at_once<L: FairLimiter>(new: New<L>) {
    let mut traffic = Traffic::new(new(100, &tenants([1, 1], 10)));
    let alone = traffic.run(&[FLOOD, 0], Duration::from_secs(10))[0];
    assert!((1_005..=1_011).contains(&alone), "{alone} of the first in ten seconds, alone: 100 per second");
    assert_eq!(traffic.burst(1, 50), 10, "the second has its burst at once");
    let both = traffic.run(&[FLOOD, FLOOD], Duration::from_secs(1));
    for (tenant, passed) in both.iter().enumerate() {
        assert!((48..=52).contains(passed), "{passed} of tenant {tenant} in the next second: each has half of 100");
    }
}

fn a_pause_fills_the_buckets_one_after_another<L: FairLimiter>(new: New<L>) {
    let sizes = [5, 10, 100].map(|burst| Tenant { weight: 1, burst });
    // Of 60 tokens 5 and 10 fit into two buckets, and the third gets the other 45.
    for (pause, expected) in
        [(ms(160), [3, 3, 3]), (ms(310), [5, 6, 6]), (ms(1_010), [5, 10, 45]), (Duration::from_hours(9), [5, 10, 100])]
    {
        let mut traffic = Traffic::new(new(60, &sizes));
        for tenant in 0..3 {
            traffic.burst(tenant, 200);
        }
        traffic.now += pause;
        let passed = [0, 1, 2].map(|tenant| traffic.burst(tenant, 200));
        assert_eq!(passed, expected, "60 per second for buckets of 5, 10 and 100, all empty, after {pause:?}");
    }
}

fn the_rate_is_never_exceeded<L: FairLimiter>(new: New<L>) {
    let mut traffic = Traffic::new(new(100, &tenants([1, 2, 3], 5)));
    for demands in [[FLOOD; 3], [0, FLOOD, 0], [0; 3], [FLOOD; 3], [1, 50, FLOOD], [0; 3], [FLOOD, 0, FLOOD]] {
        let passed: u32 = traffic.run(&demands, Duration::from_secs(3)).iter().sum();
        assert!(passed <= 300 + 15, "{passed} in three seconds: 100 per second, and three bursts of 5; {demands:?}");
    }
}

fn random_tenants_get_their_max_min_shares<L: FairLimiter>(new: New<L>) {
    let mut random = Rng::new(7_3);
    for _ in 0..25 {
        let mut number = |least: usize, most: usize| -> u32 {
            (least + random.below(most - least + 1)).try_into().expect("it is small")
        };
        let count = number(2, 5);
        let tenants: Vec<_> = (0..count).map(|_| Tenant { weight: number(1, 5), burst: number(5, 20) }).collect();
        let demands: Vec<_> = (0..count).map(|_| number(0, 400)).collect();
        assert_shares(new, number(100, 500), &tenants, &demands);
    }
}
