//! The inputs, outputs and duties of your answers. The checks use your types through these traits only.
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
pub struct Share {
    /// Its index in the list.
    pub backend: usize,
    /// Relative to the others of the subset. At least 1.
    pub weight: u32,
}

/// Exercise 4.2: a hash of a name, the same in every process and with every version of the compiler.
///
/// Similar names have dissimilar hashes. (FNV-1a, and the last steps of `MurmurHash3`, without which the upper bits
/// of similar names would be similar.)
pub fn scatter(name: &str) -> u64 {
    let fnv = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let once = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let twice = (once ^ (once >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    twice ^ (twice >> 33)
}

/// Exercise 4.3: when a backend is worse than its siblings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From one evaluation of the counts to the next.
    pub interval: Duration,
    /// With fewer requests than this in an interval a backend is not judged. At least 1.
    pub min_requests: u64,
    /// Fewer backends than this are not compared.
    pub min_backends: usize,
    /// How many standard deviations below the mean is too far.
    pub factor: f64,
    /// How long an ejection lasts.
    pub ejection: Duration,
    /// At most this percentage of the backends is ejected at a time, and one in any case.
    pub max_ejected_percent: usize,
}

/// Exercise 4.3: compares backends by the share of their requests that succeed. They are numbered from 0.
pub trait Siblings {
    /// A request to `backend` has ended.
    fn record(&mut self, backend: usize, ok: bool, now: Instant);

    /// Evaluates the counts, if an interval is over. Returns the backends that are ejected now, the worst first.
    fn look(&mut self, now: Instant) -> Vec<usize>;

    /// Whether `backend` is ejected.
    fn is_ejected(&self, backend: usize, now: Instant) -> bool;
}

/// Exercise 4.4: when a request is sent a second time, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Hedge {
    /// The percentile of first-attempt latencies that is the delay before a second attempt. From 1 to 100.
    pub percentile: usize,
    /// How many of the last first attempts are considered. At least 1.
    pub window: usize,
    /// With fewer known latencies than this nothing is sent twice. At least 1.
    pub at_least: usize,
    /// How many second attempts a hundred requests earn.
    pub earned_percent: u64,
    /// How many may be saved up; the budget starts full.
    pub saved: u64,
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
pub enum Verdict {
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
    /// A request begins, and its first attempt is sent. `repeatable`: sending it twice does no harm.
    fn begin(&mut self, request: u64, repeatable: bool, now: Instant);

    /// When [`due`](Self::due) has to be called at the latest; `None` while no request waits for a second attempt.
    fn wake(&self) -> Option<Instant>;

    /// The requests whose second attempt is to be sent now, the longest waiting first.
    fn due(&mut self, now: Instant) -> Vec<u64>;

    /// An attempt got its response.
    fn answered(&mut self, request: u64, attempt: Attempt, now: Instant) -> Verdict;

    /// An attempt has failed.
    fn failed(&mut self, request: u64, attempt: Attempt, now: Instant) -> Verdict;

    /// The client has closed its connection: the request is over.
    fn left(&mut self, request: u64);
}

/// Exercise 4.6: the largest weight that the admin interface accepts.
pub const MAX_WEIGHT: u32 = 65_535;

/// Exercise 4.6: a backend as the admin interface lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
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
    Refused(String),
}

/// Exercise 4.6: the admin interface of a running balancer. Others may use it at the same time.
pub trait Admin {
    /// The backends of the group, including those outside the plan, in any order.
    fn list(&mut self) -> Result<Vec<Listed>, AdminError>;

    /// Sets the weight of a backend.
    fn weigh(&mut self, name: &str, weight: u32) -> Result<(), AdminError>;
}

/// Exercise 4.6: which backends take over from which, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The backends that serve now, by their weights.
    pub blue: Vec<String>,
    /// The backends that are to take over, and their weights relative to each other. At least 1 each.
    pub green: Vec<(String, u32)>,
    /// Green's percentage of the traffic, step by step: rising, and 100 in the end.
    pub steps: Vec<u32>,
    /// The minimum time that a step is watched.
    pub hold: Duration,
    /// How many requests green must have had in a step before the next one begins.
    pub min_requests: u64,
    /// The percentage of green's requests that may fail.
    pub max_failed_percent: u64,
}

/// Exercise 4.6: why a rollout was abandoned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Too many of green's requests failed.
    Failures,
    /// This green backend is unhealthy.
    Ill(String),
    /// The admin interface rejected the weight of this backend.
    Refused(String),
    /// This backend is not listed, or has a weight that we did not set: someone else has changed the group.
    Interfered(String),
}

/// Exercise 4.6: the progress of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Moving to, or in, the step in which green has this percentage.
    Underway(u32),
    /// Restoring the weights that it started from.
    RollingBack(Reason),
    /// Green serves.
    Done,
    /// Blue serves as before.
    RolledBack(Reason),
    /// Everything is left as it is, for a person to inspect.
    Stopped(Reason),
}

/// Exercise 4.6: a switch from blue to green.
pub trait Rollout {
    /// Lists the backends, and does what is to be done now. Called again every second or so.
    fn tick(&mut self, now: Instant, admin: &mut dyn Admin) -> Status;
}
