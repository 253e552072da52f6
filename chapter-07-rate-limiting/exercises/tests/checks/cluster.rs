//! A simulation of balancers, their clients and the counter that they share, event by event, for the checks of exercise
//! 7.4. It keeps its own books, and panics at the first verdict or request that the contract does not allow.

use std::{collections::BTreeMap, mem, time::Duration};

use exercises_07::contracts::{
    LeaseRequest, LeaseResponse, LeasingLimiter, SharedCounter, SharedLimit,
    Verdict::{self, Pass, Refuse, Wait},
};
use integration_tests::wait::ms;

/// After this time a request to the counter counts as unanswered.
const COUNTER_TIMEOUT: Duration = ms(100);

/// Requests of clients, evenly spaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    pub(crate) balancer: usize,
    pub(crate) per_second: u32,
    /// In milliseconds.
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A time in which a balancer gets no responses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) balancer: usize,
    /// In milliseconds.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The requests reach the counter, and only the responses are lost.
    pub(crate) is_granted: bool,
}

/// What happens.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) limit: SharedLimit,
    pub(crate) round_trip: Duration,
    pub(crate) demands: Vec<Demand>,
    pub(crate) outages: Vec<Outage>,
    /// A balancer dies after so many milliseconds.
    pub(crate) death: Option<(usize, u64)>,
}

/// What one balancer has done in one window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) arrived: u32,
    pub(crate) passed: u32,
    pub(crate) waited: u32,
    pub(crate) refused: u32,
    /// Requests to the counter.
    pub(crate) sent: u32,
}

#[derive(Debug, Clone, Copy)]
enum Scheduled {
    Arrival,
    AtCounter(LeaseRequest),
    Response(LeaseResponse),
}

/// A balancer and what the contract says about it.
struct Balancer<L> {
    limiter: L,
    waiting: usize,
    in_flight: Option<LeaseRequest>,
    window: u64,
    granted: u32,
    passed: u32,
    is_used_up: bool,
    /// The counter is unreachable.
    retry_at: Option<Duration>,
}

/// What a limiter sends during one call.
#[derive(Debug, Default)]
struct Outbox(Vec<LeaseRequest>);

impl SharedCounter for Outbox {
    fn send(&mut self, request: LeaseRequest) {
        self.0.push(request);
    }
}

pub(crate) struct Cluster<L> {
    plan: Plan,
    balancers: Vec<Balancer<L>>,
    /// Tokens that the counter has granted, by window.
    granted: BTreeMap<u64, u32>,
    /// With a sequence number that keeps events of the same time in order.
    due: BTreeMap<(Duration, usize), (usize, Scheduled)>,
    sequence: usize,
    counts: BTreeMap<(usize, u64), Counts>,
}

impl<L: LeasingLimiter> Cluster<L> {
    /// Runs the plan to its end.
    pub(crate) fn run(new: fn(SharedLimit) -> L, plan: &Plan) -> Self {
        let balancer = |_| Balancer {
            limiter: new(plan.limit),
            waiting: 0,
            in_flight: None,
            window: 0,
            granted: 0,
            passed: 0,
            is_used_up: false,
            retry_at: None,
        };
        let balancers = (0..plan.limit.balancers).map(balancer).collect();
        let mut cluster = Self {
            plan: plan.clone(),
            balancers,
            granted: BTreeMap::new(),
            due: BTreeMap::new(),
            sequence: 0,
            counts: BTreeMap::new(),
        };
        for (number, Demand { balancer, per_second, from, to }) in (1..).zip(plan.demands.iter().copied()) {
            let every = Duration::from_secs(1) / per_second;
            let times = (0..).map(|request| ms(from) + every * number / 7 + every * request);
            for at in times.take_while(|at| *at < ms(to)) {
                cluster.schedule(at, balancer, Scheduled::Arrival);
            }
        }
        let end = plan.demands.iter().map(|demand| ms(demand.to)).max().unwrap_or_default();
        while let Some(((now, _), (balancer, event))) = cluster.due.pop_first() {
            // A request that waits for a response that is always too late would wait for ever.
            if now >= end {
                break;
            }
            if !cluster.is_dead(balancer, now) {
                cluster.step(balancer, event, now);
            } else if let Scheduled::AtCounter(request) = event {
                cluster.grant(request);
            }
        }
        cluster
    }

    /// What a balancer has done in a window.
    pub(crate) fn counts(&self, balancer: usize, window: u64) -> Counts {
        self.counts.get(&(balancer, window)).copied().unwrap_or_default()
    }

    /// How many requests have passed all balancers in a window.
    pub(crate) fn passed(&self, window: u64) -> u32 {
        (0..self.balancers.len()).map(|balancer| self.counts(balancer, window).passed).sum()
    }

    fn schedule(&mut self, at: Duration, balancer: usize, event: Scheduled) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), (balancer, event));
    }

    fn is_dead(&self, balancer: usize, now: Duration) -> bool {
        self.plan.death.is_some_and(|(dead, at)| dead == balancer && now >= ms(at))
    }

    fn window(&self, now: Duration) -> u64 {
        u64::try_from(now.as_nanos() / self.plan.limit.window.as_nanos()).expect("the plan is short")
    }

    fn step(&mut self, balancer: usize, event: Scheduled, now: Duration) {
        self.enter_window(balancer, now);
        match event {
            Scheduled::Arrival => {
                let verdict = self.check(balancer, now);
                let counts = self.counts_at(balancer, now);
                counts.arrived += 1;
                counts.waited += u32::from(verdict == Wait);
            }
            Scheduled::AtCounter(request) => {
                let granted = self.grant(request);
                let response = LeaseResponse::Granted(granted);
                self.schedule(now + self.plan.round_trip / 2, balancer, Scheduled::Response(response));
            }
            Scheduled::Response(response) => self.respond(balancer, response, now),
        }
    }

    fn enter_window(&mut self, balancer: usize, now: Duration) {
        let window = self.window(now);
        let balancer = &mut self.balancers[balancer];
        if window != balancer.window {
            (balancer.window, balancer.granted, balancer.passed, balancer.is_used_up) = (window, 0, 0, false);
        }
    }

    fn counts_at(&mut self, balancer: usize, now: Duration) -> &mut Counts {
        let window = self.window(now);
        self.counts.entry((balancer, window)).or_default()
    }

    fn grant(&mut self, request: LeaseRequest) -> LeaseRequest {
        let granted = self.granted.entry(request.window).or_default();
        let count = request.count.min(self.plan.limit.limit - *granted);
        *granted += count;
        LeaseRequest { count, ..request }
    }

    fn respond(&mut self, at: usize, response: LeaseResponse, now: Duration) {
        let backoff = self.plan.limit.backoff;
        let balancer = &mut self.balancers[at];
        let asked = balancer.in_flight.take().map_or(0, |request| request.count);
        match response {
            LeaseResponse::Granted(lease) => {
                balancer.retry_at = None;
                if lease.window == balancer.window {
                    balancer.granted += lease.count;
                    balancer.is_used_up = lease.count < asked;
                }
            }
            LeaseResponse::Unreachable => balancer.retry_at = Some(now + backoff),
        }
        balancer.limiter.on_response(response, now);
        for _ in 0..mem::take(&mut balancer.waiting) {
            self.check(at, now);
        }
    }

    /// Checks one request, and the answer.
    fn check(&mut self, at: usize, now: Duration) -> Verdict {
        let limit = self.plan.limit;
        let share = limit.limit / limit.balancers;
        let balancer = &mut self.balancers[at];
        let mut outbox = Outbox::default();
        let verdict = balancer.limiter.check(now, &mut outbox);
        let is_local = balancer.retry_at.is_some();
        let allowance = if is_local { balancer.granted.max(share) } else { balancer.granted };
        let has_token = balancer.passed < allowance;
        balancer.passed += u32::from(verdict == Pass);
        let state = format!(
            "balancer {at} at {now:?}: granted {}, passed {} in window {}{}{}",
            balancer.granted,
            balancer.passed,
            balancer.window,
            if balancer.is_used_up { ", which is used up" } else { "" },
            if is_local { "; the counter is unreachable" } else { "" },
        );
        for request in outbox.0 {
            let balancer = &mut self.balancers[at];
            let unused = balancer.granted.saturating_sub(balancer.passed);
            let most = limit.batch.saturating_sub(unused);
            let context = format!("{state}; it sends {request:?}");
            assert_eq!(balancer.in_flight, None, "{context}: another request is in flight");
            assert_eq!(request.window, balancer.window, "{context}: not the present window");
            assert!((1..=most).contains(&request.count), "{context}: it may ask for 1 to {most} tokens");
            assert!(!balancer.is_used_up, "{context}: there are none");
            assert!(balancer.retry_at.is_none_or(|retry_at| now >= retry_at), "{context}: during the backoff");
            balancer.in_flight = Some(request);
            self.send(at, request, now);
        }
        let balancer = &mut self.balancers[at];
        let may_wait = balancer.in_flight.is_some() && !balancer.is_used_up && !is_local;
        let without_token = if may_wait { Wait } else { Refuse };
        let expected = if has_token { Pass } else { without_token };
        assert_eq!(verdict, expected, "{state}; in flight: {:?}", balancer.in_flight);
        balancer.waiting += usize::from(verdict == Wait);
        let counts = self.counts_at(at, now);
        counts.passed += u32::from(verdict == Pass);
        counts.refused += u32::from(verdict == Refuse);
        verdict
    }

    fn send(&mut self, balancer: usize, request: LeaseRequest, now: Duration) {
        self.counts_at(balancer, now).sent += 1;
        let is_hit = |outage: &&Outage| outage.balancer == balancer && (ms(outage.from)..ms(outage.to)).contains(&now);
        if let Some(outage) = self.plan.outages.iter().find(is_hit).copied() {
            if outage.is_granted {
                self.grant(request);
            }
            self.schedule(now + COUNTER_TIMEOUT, balancer, Scheduled::Response(LeaseResponse::Unreachable));
        } else {
            self.schedule(now + self.plan.round_trip / 2, balancer, Scheduled::AtCounter(request));
        }
    }
}
