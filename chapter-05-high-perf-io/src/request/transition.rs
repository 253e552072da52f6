//! What a step of a request tells its caller.

use std::time::Instant;

use advanced_features::balance::group::InFlightGuard;

use super::state::{Request, State};

/// What the loop is to do with a connection now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Progress {
    /// Call again when one of its sockets is ready, or at this time.
    Wait(Instant),
    /// Call again once others have had their turn.
    Yield,
    /// Close it.
    Close,
}

/// What a step came to.
pub(crate) enum Transition {
    /// On to the next, at once.
    To(State),
    /// A backend is chosen and its slot is held: connect to it.
    Connect(Box<Request>, InFlightGuard),
    /// The exchange is over, or the local reply is sent: record it.
    Ended(Box<Request>),
    /// Nothing can be done before one of the sockets is ready, or this time has come.
    Wait(State, Instant),
    /// Something could be done, but others should have their turn.
    Yield(State),
    /// The connection is over.
    Close,
}
