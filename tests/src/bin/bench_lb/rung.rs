//! The rungs of `--growth`: how much of what a target is given.

use serde::{Deserialize, Serialize};

/// What grows from rung to rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    Backends,
    Routes,
    Clients,
    /// Backends, with no client: the cost of their health checks alone.
    Checks,
}

impl Scale {
    pub(crate) const ALL: [Self; 4] = [Self::Backends, Self::Routes, Self::Clients, Self::Checks];

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Backends => "backends",
            Self::Routes => "routes",
            Self::Clients => "clients",
            Self::Checks => "checks",
        }
    }

    /// What its sizes count.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Backends | Self::Checks => "backends",
            Self::Routes => "routes",
            Self::Clients => "clients",
        }
    }
}

/// One step of a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rung {
    pub(crate) scale: Scale,
    pub(crate) size: usize,
}
