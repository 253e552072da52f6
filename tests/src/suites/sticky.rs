//! Suite `sticky`: a cookie brings a client back to its backend, and is believed only if it is ours; or its address.

use crate::runner::Case;

mod cookie;
mod loops;
mod source;
mod ties;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[cookie::CASES, ties::CASES, source::CASES, loops::CASES])
}
