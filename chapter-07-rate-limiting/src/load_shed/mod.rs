//! Load shedding: what a group does when it is asked for more than its backends can serve.
//!
//! WHEN TO USE IT: always, where clients do not slow down by themselves. Rate limits say what each client may ask for;
//! the sum can still be more than the backends bear, and then every request waits until its client has given up: all
//! are served, and none in time. Two parts prevent that, both found by measurement instead of by configuration:
//!
//! | module | what it decides |
//! |---|---|
//! | [`aimd`], [`gradient`] | how many requests may be in flight to the group |
//! | [`codel`] | which of the others wait, in which order, and which get 503 at once |
//!
//! They plug into chapter 4's [`Group`](advanced_features::balance::group::Group) as its [`OverloadPolicy`]. Health
//! checks and the admin interface take no part: they use neither the limit nor the queue.

pub mod aimd;
mod bounds;
pub mod codel;
pub mod gradient;

use std::time::Duration;

use advanced_features::{
    balance::group::Group,
    limit::{
        adaptive::{LimitAlgorithm, OverloadPolicy},
        queue::QueueDiscipline,
    },
};
use serde::Serialize;

use self::{aimd::Aimd, codel::Codel, gradient::Gradient};

/// How a group's limit finds itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// [`Aimd`], for which responses slower than this are a sign of overload.
    Aimd {
        /// Time to first byte.
        threshold: Duration,
    },
    /// [`Gradient`].
    Gradient,
}

/// Load shedding as it is configured, for every group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadShedConfig {
    /// The limit on requests in flight.
    pub limit: LimitKind,
    /// How long the oldest request in the queue may have waited, for a while, before requests are shed.
    pub target: Duration,
}

impl OverloadPolicy for LoadShedConfig {
    fn limit_algorithm(&self) -> Box<dyn LimitAlgorithm> {
        match self.limit {
            LimitKind::Aimd { threshold } => Box::new(Aimd::new(threshold)),
            LimitKind::Gradient => Box::new(Gradient::default()),
        }
    }

    fn queue_discipline(&self) -> Box<dyn QueueDiscipline> {
        Box::new(Codel::new(self.target))
    }
}

/// A group under an adaptive limit, as the admin interface shows it.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// The group's name.
    pub group: String,
    /// How many requests may be in flight.
    pub limit: u32,
    /// How many are, until the first byte of their responses.
    pub in_flight: u32,
    /// How many wait.
    pub queued: usize,
    /// How many have been shed so far.
    pub shed: u64,
}

impl GroupReport {
    /// What `group` does now; `None` without an adaptive limit.
    pub fn of(group: &Group) -> Option<Self> {
        let limit = group.adaptive_limit.as_ref()?;
        Some(Self {
            group: group.name().to_owned(),
            limit: limit.limit(),
            in_flight: limit.in_flight(),
            queued: group.queue.len(),
            shed: group.queue.shed(),
        })
    }
}
