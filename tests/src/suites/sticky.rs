//! Suite `sticky`: a cookie brings a client back to its backend, and is believed only if it is ours.

use crate::runner::Case;

mod cookie;
mod loops;
mod ties;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[cookie::CASES, ties::CASES, loops::CASES])
}
