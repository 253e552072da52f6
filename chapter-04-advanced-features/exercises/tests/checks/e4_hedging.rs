//! The checks of exercise 4.4.

use std::time::{Duration, Instant};

use exercises_04::contracts::{Attempt, Attempt::First, Attempt::Second, Hedging, HedgingAction, HedgingPolicy};
use integration_tests::{rng::Rng, wait::ms};

use crate::{beginning, exercise_checks};
use simulation::{SimulationResult, simulate};

mod simulation;

exercise_checks!(
    exercises_04,
    e4_hedging::hedging,
    [
        delay_is_the_percentile_of_first_attempts,
        nothing_is_sent_twice_without_enough_latencies,
        only_the_last_first_attempts_count,
        a_cancelled_first_attempt_counts_as_slow,
        failures_and_second_attempts_add_no_latency,
        request_keeps_the_delay_with_which_it_began,
        longest_waiting_request_is_due_first_and_once,
        first_response_is_delivered_and_the_other_attempt_cancelled,
        late_events_are_ignored,
        failure_waits_for_the_other_attempt,
        finished_request_is_never_due,
        non_idempotent_request_is_never_due,
        second_attempts_need_budget,
        stalled_group_does_not_get_twice_the_load,
        slow_tail_is_cut_and_little_is_sent_twice,
    ]
);

type New<H> = fn(HedgingPolicy) -> H;

const NONE: [u64; 0] = [];

/// The 90th percentile of the last ten; an unlimited number of second attempts.
const P90_OF_TEN: HedgingPolicy =
    HedgingPolicy { percentile: 90, window: 10, min_latencies: 10, budget_percent: 100, max_budget: u32::MAX as u64 };

/// A group, and its current time.
struct Group<H> {
    hedging: H,
    now: Instant,
    number: u64,
}

impl<H: Hedging> Group<H> {
    fn new(new: New<H>, policy: HedgingPolicy) -> Self {
        Self { hedging: new(policy), now: beginning(), number: 0 }
    }

    /// A group that has seen first attempts with these latencies in milliseconds.
    fn with(new: New<H>, policy: HedgingPolicy, times: impl IntoIterator<Item = u64>) -> Self {
        let mut group = Self::new(new, policy);
        times.into_iter().for_each(|time| group.complete_request(time));
        group
    }

    /// A request that its first attempt answers after this many milliseconds.
    fn complete_request(&mut self, time: u64) {
        let request = self.begin();
        self.now += ms(time);
        assert_eq!(self.responded(request, First), HedgingAction::Deliver { cancel: None }, "a request's only attempt");
    }

    fn begin(&mut self) -> u64 {
        self.number += 1;
        self.hedging.begin(self.number, true, self.now);
        self.number
    }

    /// A request with two running attempts, whose delay has just passed.
    fn hedged(&mut self) -> u64 {
        let request = self.begin();
        self.now += self.delay().expect("a request that may be repeated should wait for its delay, but does not");
        assert_eq!(self.due(), [request], "due requests after the delay");
        request
    }

    fn responded(&mut self, request: u64, attempt: Attempt) -> HedgingAction {
        self.hedging.responded(request, attempt, self.now)
    }

    fn failed(&mut self, request: u64, attempt: Attempt) -> HedgingAction {
        self.hedging.failed(request, attempt, self.now)
    }

    fn due(&mut self) -> Vec<u64> {
        self.hedging.due(self.now)
    }

    /// How long until the next request is due.
    fn delay(&self) -> Option<Duration> {
        self.hedging.next_due().map(|next_due| next_due.saturating_duration_since(self.now))
    }

    /// The delay of a request that begins now, and whose client leaves at once.
    fn next_delay(&mut self) -> Option<Duration> {
        let request = self.begin();
        let delay = self.delay();
        self.hedging.client_closed(request);
        delay
    }
}

fn delay_is_the_percentile_of_first_attempts<H: Hedging>(new: New<H>) {
    for (percentile, times, expected) in [
        (90, &[10, 20, 30, 40, 50, 60, 70, 80, 90, 100][..], 90),
        (90, &[100, 20, 80, 40, 60, 50, 70, 30, 90, 10], 90),
        (91, &[10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 100),
        (95, &[10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 100),
        (100, &[10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 100),
        (1, &[10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 10),
        (50, &[7, 5, 6], 6),
        (50, &[1, 2, 3, 4], 2),
        (95, &[8], 8),
    ] {
        let mut group =
            Group::with(new, HedgingPolicy { percentile, min_latencies: 1, ..P90_OF_TEN }, times.iter().copied());
        let delay = group.next_delay();
        assert_eq!(
            delay,
            Some(ms(expected)),
            "the delay at percentile {percentile} of first attempts that took {times:?} ms"
        );
    }
    let mut group = Group::with(new, P90_OF_TEN, 1..=10);
    let request = group.begin();
    group.now += Duration::from_nanos(8_999_999);
    assert_eq!(group.due(), NONE, "due requests a nanosecond before the delay is over");
    group.now += Duration::from_nanos(1);
    assert_eq!(group.due(), [request], "due requests when the delay is over");
}

fn nothing_is_sent_twice_without_enough_latencies<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, P90_OF_TEN, 1..=9);
    let early = group.begin();
    assert_eq!(group.delay(), None, "the delay with nine latencies known, where ten are required");
    group.complete_request(10);
    group.now += Duration::from_hours(1);
    assert_eq!(group.due(), NONE, "due requests among those that began when too little was known");
    assert_eq!(group.responded(early, First), HedgingAction::Deliver { cancel: None }, "an answer after an hour");
}

fn only_the_last_first_attempts_count<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, P90_OF_TEN, [vec![500; 30], vec![5; 9]].concat());
    assert_eq!(group.next_delay(), Some(ms(5)), "the delay after 30 times 500 ms and 9 times 5 ms, of the last ten");
    for _ in 0..10 {
        group.complete_request(40);
    }
    assert_eq!(group.next_delay(), Some(ms(40)), "and after 10 times 40 ms");
}

fn a_cancelled_first_attempt_counts_as_slow<H: Hedging>(new: New<H>) {
    let mut group =
        Group::with(new, HedgingPolicy { percentile: 50, window: 3, min_latencies: 3, ..P90_OF_TEN }, [10, 10, 10]);
    for (second_took, expected) in [(30, 10), (50, 40), (1, 41)] {
        let request = group.hedged();
        group.now += ms(second_took);
        let action = group.responded(request, Second);
        assert_eq!(action, HedgingAction::Deliver { cancel: Some(First) }, "the second attempt is answered first");
        assert_eq!(
            group.next_delay(),
            Some(ms(expected)),
            "the median of the last three, when first attempts are cancelled after at least 10 ms, by second ones \
             that latencies 30, 50, 1 ms: after the one with {second_took}"
        );
    }
}

fn failures_and_second_attempts_add_no_latency<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, HedgingPolicy { window: 2, min_latencies: 2, ..P90_OF_TEN }, [20, 20]);
    for _ in 0..3 {
        let request = group.begin();
        group.now += ms(1);
        assert_eq!(group.failed(request, First), HedgingAction::Fail, "the only attempt fails");
    }
    assert_eq!(group.next_delay(), Some(ms(20)), "the delay after two times 20 ms and three fast failures");
    for _ in 0..3 {
        let request = group.hedged();
        group.now += ms(700);
        assert_eq!(group.failed(request, First), HedgingAction::Wait, "the first attempt fails, the second is running");
        group.now += ms(700);
        assert_eq!(group.responded(request, Second), HedgingAction::Deliver { cancel: None }, "the second is answered");
    }
    assert_eq!(group.next_delay(), Some(ms(20)), "and after three first attempts that failed after 720 ms");
    for _ in 0..3 {
        let request = group.begin();
        group.now += ms(2);
        group.hedging.client_closed(request);
    }
    assert_eq!(group.next_delay(), Some(ms(20)), "and after three clients that disconnected after 2 ms");
}

fn request_keeps_the_delay_with_which_it_began<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, HedgingPolicy { window: 1, min_latencies: 1, ..P90_OF_TEN }, [100]);
    let slow = group.begin();
    group.complete_request(5);
    let fast = group.begin();
    assert_eq!(group.delay(), Some(ms(5)), "until the next one is due, when the delay has become 5 ms");
    group.now += ms(5);
    assert_eq!(group.due(), [fast], "due requests after 5 ms");
    assert_eq!(group.delay(), Some(ms(90)), "until the one is due that began with a delay of 100 ms, 10 ms ago");
    group.now += ms(90);
    assert_eq!(group.due(), [slow], "due requests after 100 ms");
}

fn longest_waiting_request_is_due_first_and_once<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, P90_OF_TEN, [10; 10]);
    let mut requests = Vec::new();
    for _ in 0..20 {
        requests.push(group.begin());
        group.now += Duration::from_micros(1);
    }
    group.now += ms(9);
    assert_eq!(group.due(), NONE, "due requests before the first delay is over");
    group.now += ms(1);
    assert_eq!(group.due(), requests, "due requests when all delays are over, a microsecond after each other");
    group.now += Duration::from_hours(1);
    assert_eq!((group.due(), group.delay()), (Vec::new(), None), "due requests after that, and when");
}

fn first_response_is_delivered_and_the_other_attempt_cancelled<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, P90_OF_TEN, [10; 10]);
    for (attempt, other) in [(First, Second), (Second, First)] {
        let request = group.hedged();
        let action = group.responded(request, attempt);
        assert_eq!(action, HedgingAction::Deliver { cancel: Some(other) }, "both are running; {attempt:?} is answered");
    }
    let request = group.begin();
    assert_eq!(group.responded(request, Second), HedgingAction::Ignore, "an attempt that was never sent");
    assert_eq!(group.responded(request, First), HedgingAction::Deliver { cancel: None }, "and then the one that was");
}

fn late_events_are_ignored<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, P90_OF_TEN, [10; 10]);
    let request = group.hedged();
    group.responded(request, First);
    assert_eq!(
        group.responded(request, Second),
        HedgingAction::Ignore,
        "the second attempt is answered after the first"
    );
    assert_eq!(group.failed(request, Second), HedgingAction::Ignore, "and fails after that");
    assert_eq!(group.responded(request, First), HedgingAction::Ignore, "the first attempt is answered twice");
    let request = group.hedged();
    assert_eq!(group.failed(request, First), HedgingAction::Wait);
    assert_eq!(
        group.failed(request, First),
        HedgingAction::Ignore,
        "the first attempt fails twice, the second is running"
    );
    assert_eq!(
        group.responded(request, First),
        HedgingAction::Ignore,
        "the first attempt is answered after it has failed"
    );
    assert_eq!(group.responded(request, Second), HedgingAction::Deliver { cancel: None }, "the second is answered");
    let request = group.hedged();
    group.hedging.client_closed(request);
    for attempt in [First, Second] {
        assert_eq!(
            group.responded(request, attempt),
            HedgingAction::Ignore,
            "{attempt:?} is answered, the client has disconnected"
        );
    }
    group.hedging.client_closed(request);
    group.hedging.client_closed(u64::MAX);
    assert_eq!(group.responded(u64::MAX, First), HedgingAction::Ignore, "a request that never began is answered");
    assert_eq!(group.failed(u64::MAX, Second), HedgingAction::Ignore, "a request that never began fails");
}

fn failure_waits_for_the_other_attempt<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, P90_OF_TEN, [10; 10]);
    let request = group.begin();
    assert_eq!(group.failed(request, First), HedgingAction::Fail, "the first attempt fails before a second is sent");
    for (one, other) in [(First, Second), (Second, First)] {
        let request = group.hedged();
        assert_eq!(group.failed(request, one), HedgingAction::Wait, "both are running; {one:?} fails");
        assert_eq!(group.failed(request, other), HedgingAction::Fail, "and then {other:?}");
        let request = group.hedged();
        assert_eq!(group.failed(request, one), HedgingAction::Wait, "both are running; {one:?} fails");
        assert_eq!(group.due(), NONE, "due requests after {one:?} has failed: there is no third attempt");
        assert_eq!(
            group.responded(request, other),
            HedgingAction::Deliver { cancel: None },
            "and then {other:?} is answered"
        );
    }
}

fn finished_request_is_never_due<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, P90_OF_TEN, [10; 10]);
    let [responded, failed, client_closed, other] = std::array::from_fn(|_| group.begin());
    group.responded(responded, First);
    group.failed(failed, First);
    group.hedging.client_closed(client_closed);
    group.now += ms(10);
    assert_eq!(
        group.due(),
        [other],
        "due requests of four, of which one was answered, one failed, and one lost its client"
    );
    group.begin();
    group.hedging.client_closed(group.number);
    assert_eq!(group.delay(), None, "when the next one is due, with no request waiting");
}

fn non_idempotent_request_is_never_due<H: Hedging>(new: New<H>) {
    let mut group = Group::with(new, P90_OF_TEN, [10; 10]);
    group.hedging.begin(1_000, false, group.now);
    assert_eq!(group.delay(), None, "when a request is due that must not be repeated");
    group.now += Duration::from_hours(1);
    assert_eq!(group.due(), NONE, "due requests after an hour");
    assert_eq!(group.responded(1_000, First), HedgingAction::Deliver { cancel: None }, "its answer, at last");
}

fn second_attempts_need_budget<H: Hedging>(new: New<H>) {
    let policy = HedgingPolicy { budget_percent: 10, max_budget: 5, ..P90_OF_TEN };
    let mut group = Group::with(new, policy, [10; 10]);
    // All at once: the budget is five, and stays five whatever these add.
    let requests: Vec<_> = (0..25).map(|_| group.begin()).collect();
    group.now += ms(10);
    assert_eq!(group.due(), requests[..5], "due requests of 25, with five second attempts in the budget");
    group.now += Duration::from_hours(1);
    assert_eq!(group.due(), NONE, "due requests later among those without budget");
    let mut sent = 0;
    for request in 1..=100 {
        group.hedging.begin(10_000 + request, true, group.now);
        group.now += ms(10);
        sent += group.due().len();
        assert_eq!(sent as u64, request / 10, "sent twice of {request} more, one after the other, at 10 %");
    }
    for other in 0..15 {
        group.hedging.begin(20_000 + other, false, group.now);
    }
    let [one, two] = std::array::from_fn(|_| group.begin());
    group.now += ms(10);
    assert_eq!(group.due(), [one], "due requests of {one} and {two}, after 15 requests that must not be repeated");
}

const LARGE_BUDGET: HedgingPolicy =
    HedgingPolicy { percentile: 95, window: 200, min_latencies: 100, budget_percent: 30, max_budget: 50 };

fn stalled_group_does_not_get_twice_the_load<H: Hedging>(new: New<H>) {
    let policy = HedgingPolicy { budget_percent: 5, max_budget: 10, ..LARGE_BUDGET };
    let mut seed = Rng::new(4);
    // From request 500 on, all are slow.
    let time = |request| ms(if request < 500 { 10 } else { 400 } + seed.number() % 10);
    let SimulationResult { sent_twice, latencies } = simulate(new, policy, 2_000, time);
    assert_eq!(latencies.len(), 2_000, "answered requests of 2000");
    assert!(sent_twice <= 10 + 2_000 / 20, "at most 10 + 5 % of 2000 should be sent twice, but {sent_twice} are");
    assert!(sent_twice >= 60, "the budget should be used, but only {sent_twice} are sent twice");
}

fn slow_tail_is_cut_and_little_is_sent_twice<H: Hedging>(new: New<H>) {
    let mut seed = Rng::new(5);
    let mut time =
        |_| if seed.below(100) < 4 { ms(1_000) } else { ms(10) + Duration::from_micros(seed.number() % 10_000) };
    let SimulationResult { sent_twice, mut latencies } = simulate(new, LARGE_BUDGET, 5_000, &mut time);
    assert_eq!(latencies.len(), 5_000, "answered requests of 5000");
    latencies.sort_unstable();
    let (median, high) = (latencies[2_500], latencies[4_950]);
    assert!(
        high < ms(200),
        "4 % of attempts take a second: 99 of 100 requests should take 200 ms at most, but take {high:?}; half of \
         them take {median:?}"
    );
    assert!(
        (150..=400).contains(&sent_twice),
        "about 250 of 5000 should be sent twice, because 95 % are faster than the delay, but {sent_twice} are"
    );
}
