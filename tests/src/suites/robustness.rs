//! Suite `robustness`: slow, stalled, rude and vanished peers; signals and draining under load.

use crate::runner::Case;

mod cancel;
mod deadlines;
mod drain;
mod fuzz;
mod loops;
mod phases;
mod signals;
mod stalled;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[
        deadlines::CASES,
        stalled::CASES,
        cancel::CASES,
        phases::CASES,
        signals::CASES,
        drain::CASES,
        fuzz::CASES,
        loops::CASES,
    ])
}
