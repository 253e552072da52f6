//! The types and traits of the exercises. The checks use your types only through these traits.
//!
//! Nothing here blocks, opens a socket or reads a clock: `now` is an argument, and never goes back.

use std::time::{Duration, Instant};

/// Exercise 4.1: the decision for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The backend that gets the request.
    pub backend: usize,
    /// The backend to compare with the one that is drawn for the next request.
    pub remember: usize,
}

/// Exercise 4.2: a backend of a balancer's subset, by its index in the given list, and its weight in the subset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightedBackend {
    /// Its index in the list.
    pub backend: usize,
    /// Relative to the others of the subset. At least 1.
    pub weight: u32,
}

/// Exercise 4.2: a hash of a name, the same in every process and with every version of the compiler.
///
/// Similar names have dissimilar hashes. (FNV-1a, and the last steps of `MurmurHash3`, without which the upper bits
/// of similar names would be similar.)
pub fn stable_hash(name: &str) -> u64 {
    let fnv = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let once = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let twice = (once ^ (once >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    twice ^ (twice >> 33)
}

/// Exercise 4.3: when a success rate is an outlier, as in Envoy's outlier detection.
#[derive(Debug, Clone, Copy)]
pub struct OutlierConfig {
    /// From one evaluation of the counts to the next.
    pub interval: Duration,
    /// With fewer requests than this in an interval a backend is not compared. At least 1.
    pub min_requests: u64,
    /// With fewer comparable backends than this, none is ejected.
    pub min_backends: usize,
    /// How many standard deviations below the mean make a backend an outlier.
    pub stdev_factor: f64,
    /// How long an ejection lasts.
    pub ejection_time: Duration,
    /// At most this percentage of the backends is ejected at a time, but one always may be.
    pub max_ejected_percent: usize,
}

/// Exercise 4.3: ejects backends whose success rate is an outlier. They are numbered from 0.
pub trait OutlierDetector {
    /// A request to `backend` has ended.
    fn record(&mut self, backend: usize, ok: bool, now: Instant);

    /// Evaluates the counts, if an interval is over. Returns the backends that are ejected now, the worst first.
    fn evaluate(&mut self, now: Instant) -> Vec<usize>;

    /// Whether `backend` is ejected.
    fn is_ejected(&self, backend: usize, now: Instant) -> bool;
}

/// Exercise 4.4: when a request is sent a second time, and how often.
#[derive(Debug, Clone, Copy)]
pub struct HedgingPolicy {
    /// The percentile of first-attempt latencies that is the delay before a second attempt. From 1 to 100.
    pub percentile: usize,
    /// How many of the last first attempts are considered. At least 1.
    pub window: usize,
    /// With fewer known latencies than this nothing is sent twice. At least 1.
    pub min_latencies: usize,
    /// How many second attempts a hundred requests add to the budget.
    pub budget_percent: u64,
    /// The most second attempts in the budget, which starts full.
    pub max_budget: u64,
}

/// Exercise 4.4: which of a request's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The one that is sent when the request begins.
    First,
    /// The one that is sent because the first takes too long.
    Second,
}

/// Exercise 4.4: what to do now that an attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgingAction {
    /// Forward this response, and cancel the other attempt, if there is one.
    Deliver {
        /// The attempt that is still running.
        cancel: Option<Attempt>,
    },
    /// The other attempt is still running.
    Wait,
    /// No attempt is running any more: the request has failed.
    Fail,
    /// The request had ended before, or this attempt had: the event has no effect.
    Ignore,
}

/// Exercise 4.4: the requests of one group. A request number is never used twice.
pub trait Hedging {
    /// A request begins, and its first attempt is sent. `is_idempotent`: it may be sent twice (RFC 9110 §9.2.2).
    fn begin(&mut self, request: u64, is_idempotent: bool, now: Instant);

    /// When [`due`](Self::due) has to be called at the latest; `None` while no request waits for a second attempt.
    fn next_due(&self) -> Option<Instant>;

    /// The requests whose second attempt is to be sent now, the longest waiting first.
    fn due(&mut self, now: Instant) -> Vec<u64>;

    /// An attempt got its response.
    fn responded(&mut self, request: u64, attempt: Attempt, now: Instant) -> HedgingAction;

    /// An attempt has failed.
    fn failed(&mut self, request: u64, attempt: Attempt, now: Instant) -> HedgingAction;

    /// The client has closed its connection: the request is over.
    fn client_closed(&mut self, request: u64);
}

/// Exercise 4.6: the largest weight that the admin interface accepts.
pub const MAX_WEIGHT: u32 = 65_535;

/// Exercise 4.6: a backend as the admin interface lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendStatus {
    /// Its name.
    pub name: String,
    /// Whether it is healthy: its state is `UP`.
    pub is_up: bool,
    /// Its weight now.
    pub weight: u32,
    /// Requests that were sent to it since it joined the group.
    pub total: u64,
    /// Those of them that failed.
    pub failed: u64,
}

/// Exercise 4.6: the admin interface did not carry out a request, or the outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// No response came. A change may have been made, or not.
    #[error("no response")]
    Unreachable,
    /// It rejects the request: no such backend, a weight above [`MAX_WEIGHT`], or the change would set the last
    /// nonzero weight of the group to 0.
    #[error("rejected: {0}")]
    Rejected(String),
}

/// Exercise 4.6: the admin interface of a running balancer. Others may use it at the same time.
pub trait AdminApi {
    /// The backends of the group, including those outside the plan, in any order.
    fn list(&mut self) -> Result<Vec<BackendStatus>, AdminError>;

    /// Sets the weight of a backend.
    fn set_weight(&mut self, name: &str, weight: u32) -> Result<(), AdminError>;
}

/// Exercise 4.6: which backends take over from which, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutPlan {
    /// The backends that serve now, by their weights.
    pub blue: Vec<String>,
    /// The backends that are to take over, and their weights relative to each other. At least 1 each.
    pub green: Vec<(String, u32)>,
    /// Green's percentage of the traffic, step by step: rising, and 100 in the end.
    pub steps: Vec<u32>,
    /// The minimum time that a step is observed.
    pub hold: Duration,
    /// How many requests green must have had in a step before the next one begins.
    pub min_requests: u64,
    /// The percentage of green's requests that may fail.
    pub max_failed_percent: u64,
}

/// Exercise 4.6: why a rollout was abandoned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AbortReason {
    /// Too many of green's requests failed.
    Failures,
    /// This green backend is unhealthy.
    Unhealthy(String),
    /// The admin interface rejected the weight of this backend.
    WeightRejected(String),
    /// This backend is not listed, or has a weight that we did not set: someone else has changed the group.
    ExternalChange(String),
}

/// Exercise 4.6: the progress of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutStatus {
    /// Moving to, or in, the step in which green has this percentage.
    InProgress(u32),
    /// Restoring the weights that it started from.
    RollingBack(AbortReason),
    /// Green serves all requests.
    Done,
    /// Blue serves all requests, with its original weights.
    RolledBack(AbortReason),
    /// Nothing is changed any more: an operator has to look at it.
    Stopped(AbortReason),
}

/// Exercise 4.6: a switch from blue to green.
pub trait Rollout {
    /// Lists the backends, and makes the changes that are due. Called about once a second.
    fn tick(&mut self, now: Instant, admin: &mut dyn AdminApi) -> RolloutStatus;
}
