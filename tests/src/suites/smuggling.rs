//! Suite `smuggling`: whatever two parsers could read in two ways is refused, never repaired.
//!
//! The refusals are tables. Each row is sent whole, then in two segments, then with a second
//! request behind it; each time the client gets the row's status and a close, and the backend not
//! one byte.

use crate::runner::Case;

mod chunks;
mod fields;
mod legal;
mod lengths;
mod limits;
mod response_bodies;
mod response_heads;
mod start_line;
mod table;
mod target;
mod truncated;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[
        start_line::CASES,
        target::CASES,
        fields::CASES,
        lengths::CASES,
        limits::CASES,
        chunks::CASES,
        truncated::CASES,
        legal::CASES,
        response_heads::CASES,
        response_bodies::CASES,
    ])
}
