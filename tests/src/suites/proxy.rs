//! Suite `proxy`: what any HTTP/1.1 gateway does between a client and a backend.

use crate::runner::Case;

mod cli;
mod connections;
mod fields;
mod forwarded;
mod interim;
mod messages;
mod peers;
mod unreachable;
mod upgrade;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[
        connections::CASES,
        messages::CASES,
        interim::CASES,
        fields::CASES,
        forwarded::CASES,
        upgrade::CASES,
        unreachable::CASES,
        peers::CASES,
        cli::CASES,
    ])
}
