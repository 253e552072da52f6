//! Load shedding: how a group behaves when the load exceeds its backends' capacity.
//!
//! WHEN TO USE IT: whenever the load is open-loop: clients keep sending however slow the responses are. Rate limits
//! bound what each client may send; the sum can still exceed what the backends can handle, and then every response
//! arrives after its client has given up. Two parts prevent that. Both react to measured delays, not to a configured
//! capacity:
//!
//! | module | what it decides |
//! |---|---|
//! | [`aimd`], [`gradient`] | how many requests may be in flight to the group |
//! | [`codel`] | in which order the others are served, and which are shed with a 503 |
//!
//! They plug into chapter 4's [`Group`] as its [`OverloadPolicy`]. Health checks and the admin interface are exempt:
//! they use neither the limit nor the queue.

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

/// Which algorithm adapts a group's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// [`Aimd`]: responses slower than the threshold are a sign of overload.
    Aimd {
        /// Time to first byte.
        threshold: Duration,
    },
    /// [`Gradient`].
    Gradient,
}

/// The load-shedding configuration; it applies to every group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadShedConfig {
    /// The limit on requests in flight.
    pub limit: LimitKind,
    /// The acceptable queueing delay; a queue that stays above it for ten times as long is overloaded.
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

/// A group with an adaptive limit, as shown by the admin interface.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// The group's name.
    pub group: String,
    /// How many requests may be in flight.
    pub limit: u32,
    /// Requests in flight: sent, and no response byte yet.
    pub in_flight: u32,
    /// Requests in the queue.
    pub queued: usize,
    /// How many have been shed so far.
    pub shed: u64,
}

impl GroupReport {
    /// The current state of `group`; `None` without an adaptive limit.
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
