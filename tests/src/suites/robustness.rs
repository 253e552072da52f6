//! Suite `robustness`: slow, stalled, aborting and vanished peers; signals and draining under load.

pub(super) mod cancel;
pub(super) mod deadlines;
pub(super) mod drain;
pub(super) mod fuzz;
pub(super) mod phases;
pub(super) mod signals;
pub(super) mod stalled;
pub(super) mod workers;
