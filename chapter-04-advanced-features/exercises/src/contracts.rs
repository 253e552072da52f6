//! What your answers take, give and have to do. The checks know your types by these traits only.
//!
//! Nothing here waits, opens a socket or reads a clock: `now` is an argument, and never goes back.

use std::time::{Duration, Instant};

/// Exercise 4.1: what is decided for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Who gets the request.
    pub backend: usize,
    /// Who is to be compared with the one that is drawn for the next request.
    pub remember: usize,
}

/// Exercise 4.2: a backend of a balancer's part, by its place in the list that was given, and its weight there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its place in the list.
    pub backend: usize,
    /// Compared with the others of the part. At least 1.
    pub weight: u32,
}

/// Exercise 4.2: a number for a name, the same in every process and after every update of the compiler.
///
/// Names that are alike have numbers that are not. (FNV-1a, and the last steps of `MurmurHash3`, without which the
/// upper bits of similar names would be similar.)
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
    /// From one look at the counts to the next.
    pub interval: Duration,
    /// Fewer requests than this in an interval say nothing of a backend. At least 1.
    pub min_requests: u64,
    /// Fewer backends than this cannot be compared.
    pub min_backends: usize,
    /// So many standard deviations below the mean is too far.
    pub factor: f64,
    /// How long an ejection lasts.
    pub ejection: Duration,
    /// At most so many of a hundred backends are out at a time, and one in any case.
    pub max_ejected_percent: usize,
}

/// Exercise 4.3: compares backends by the share of their requests that succeed. They are numbered from 0.
pub trait Siblings {
    /// A request to `backend` has ended.
    fn record(&mut self, backend: usize, ok: bool, now: Instant);

    /// Looks at the counts, if an interval is over. Gives those that are ejected by this look, the worst first.
    fn look(&mut self, now: Instant) -> Vec<usize>;

    /// Whether `backend` is out.
    fn is_ejected(&self, backend: usize, now: Instant) -> bool;
}

/// Exercise 4.4: when a request is sent a second time, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Hedge {
    /// A request waits for as long as so many of a hundred first attempts take at most. From 1 to 100.
    pub percentile: usize,
    /// How many of the last first attempts are looked at. At least 1.
    pub window: usize,
    /// With fewer known than this nothing is sent twice. At least 1.
    pub at_least: usize,
    /// So many second attempts are earned by a hundred requests.
    pub earned_percent: u64,
    /// So many may be saved up, and are there at the beginning.
    pub saved: u64,
}

/// Exercise 4.4: which of a request's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The one that is sent when the request begins.
    First,
    /// The one that is sent because the first takes long.
    Second,
}

/// Exercise 4.4: what to do now that an attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Pass this answer on, and end the other attempt, if there is one.
    Deliver {
        /// The one that is still under way.
        cancel: Option<Attempt>,
    },
    /// The other attempt is still under way.
    Wait,
    /// Nothing is under way any more: the request has failed.
    Fail,
    /// The request was over before, or this attempt was: nobody wants to know.
    Ignore,
}

/// Exercise 4.4: the requests of one group. No request has the number of another one, at any time.
pub trait Hedging {
    /// A request begins, and its first attempt is sent. `repeatable`: to ask twice does no harm.
    fn begin(&mut self, request: u64, repeatable: bool, now: Instant);

    /// When [`due`](Self::due) is to be asked at the latest; `None` while no request waits to be sent again.
    fn wake(&self) -> Option<Instant>;

    /// The requests whose second attempt is to be sent now, those that have waited for it longest first.
    fn due(&mut self, now: Instant) -> Vec<u64>;

    /// An attempt has been answered.
    fn answered(&mut self, request: u64, attempt: Attempt, now: Instant) -> Verdict;

    /// An attempt has come to nothing.
    fn failed(&mut self, request: u64, attempt: Attempt, now: Instant) -> Verdict;

    /// The client has left: the request is over.
    fn left(&mut self, request: u64);
}

/// Exercise 4.6: the largest weight that the admin interface takes.
pub const MAX_WEIGHT: u32 = 65_535;

/// Exercise 4.6: what the admin interface says of one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether it is well: its state is `UP`.
    pub is_up: bool,
    /// Its weight now.
    pub weight: u32,
    /// Requests that were sent to it, since it is in the group.
    pub total: u64,
    /// Those of them that failed.
    pub failed: u64,
}

/// Exercise 4.6: what was asked of the admin interface was not done, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// No answer came. A change may have been made, or not.
    #[error("no answer")]
    Unreachable,
    /// It says no: no such backend, a weight above [`MAX_WEIGHT`], or the last weight of a group that is not 0.
    #[error("refused: {0}")]
    Refused(String),
}

/// Exercise 4.6: the admin interface of a running balancer. Others may use it at the same time.
pub trait Admin {
    /// The backends of the group, those of nobody's plan too, in any order.
    fn list(&mut self) -> Result<Vec<Listed>, AdminError>;

    /// Gives a backend another weight.
    fn weigh(&mut self, name: &str, weight: u32) -> Result<(), AdminError>;
}

/// Exercise 4.6: which backends take over from which, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Those that serve now, by their weights.
    pub blue: Vec<String>,
    /// Those that are to serve, and what they weigh beside each other. At least 1 each.
    pub green: Vec<(String, u32)>,
    /// How many percent of the traffic green has, step by step: rising, and 100 in the end.
    pub steps: Vec<u32>,
    /// How long a step is watched at the least.
    pub hold: Duration,
    /// How many requests green must have had in a step before the next one.
    pub min_requests: u64,
    /// So many of a hundred of green's requests may fail.
    pub max_failed_percent: u64,
}

/// Exercise 4.6: why a rollout came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Too many of green's requests failed.
    Failures,
    /// This green backend is not well.
    Ill(String),
    /// The admin interface refused the weight of this backend.
    Refused(String),
    /// This backend is not listed, or has a weight that we did not give it: somebody else is at work.
    Interfered(String),
}

/// Exercise 4.6: how far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// On its way to, or in, the step in which green has so many percent.
    Underway(u32),
    /// On its way back to where it began.
    RollingBack(Reason),
    /// Green serves.
    Done,
    /// Blue serves as it did before.
    RolledBack(Reason),
    /// All is left as it is, for a person to look at.
    Stopped(Reason),
}

/// Exercise 4.6: a switch from blue to green.
pub trait Rollout {
    /// Looks, and does what is to be done now. It is asked again every second or so.
    fn tick(&mut self, now: Instant, admin: &mut dyn Admin) -> Status;
}
