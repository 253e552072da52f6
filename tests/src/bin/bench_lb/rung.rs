//! The rungs of `--growth` and of `--zero-copy`: how much of what a target is given.

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
    /// Bytes that a pipe of `splice` holds.
    Pipe,
    /// Bytes of a response's body.
    Body,
}

impl Scale {
    pub(crate) const ALL: [Self; 6] =
        [Self::Backends, Self::Routes, Self::Clients, Self::Checks, Self::Pipe, Self::Body];
    /// Those of `--growth`.
    pub(crate) const OF_GROWTH: [Self; 4] = [Self::Backends, Self::Routes, Self::Clients, Self::Checks];

    /// Whether a target is compared with itself on the first rung, and not with another target on the same one.
    pub(crate) fn is_of_growth(self) -> bool {
        Self::OF_GROWTH.contains(&self)
    }

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Backends => "backends",
            Self::Routes => "routes",
            Self::Clients => "clients",
            Self::Checks => "checks",
            Self::Pipe => "pipe size",
            Self::Body => "body size",
        }
    }

    /// What its sizes count.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Backends | Self::Checks => "backends",
            Self::Routes => "routes",
            Self::Clients => "clients",
            Self::Pipe | Self::Body => "KiB",
        }
    }

    /// A size as tables and plots show it, in its [unit](Scale::unit).
    pub(crate) fn shown(self, size: usize) -> usize {
        if self.is_of_growth() { size } else { size >> 10 }
    }
}

/// One step of a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rung {
    pub(crate) scale: Scale,
    pub(crate) size: usize,
}
