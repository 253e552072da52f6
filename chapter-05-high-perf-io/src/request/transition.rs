//! What a step of a request returns to its caller.

use std::time::Instant;

use advanced_features::balance::group::InFlightGuard;

use super::state::{Request, State};

/// What the loop has to do with a connection now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Progress {
    /// Call again when one of its sockets is ready, or at this deadline.
    Wait(Instant),
    /// Call again after the other connections have been served.
    Yield,
    /// Close it.
    Close,
}

/// The outcome of a step.
pub(crate) enum Transition {
    /// Run the step of this state at once.
    To(State),
    /// A backend is chosen and its slot is held: connect to it.
    Connect(Box<Request>, InFlightGuard),
    /// The exchange has ended, or the local reply is sent: record it.
    Ended(Box<Request>),
    /// Nothing can be done before one of the sockets is ready or this deadline has passed.
    Wait(State, Instant),
    /// There is more to do, but other connections come first.
    Yield(State),
    /// Close the connection.
    Close,
}
