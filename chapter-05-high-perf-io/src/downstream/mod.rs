//! The client's side: accepting connections, and the state of each.
//!
//! A connection is accepted by one worker and may be served by another; from then on it is a state machine that its
//! event loop drives. Local replies, and the lingering close that lets them arrive, are here too. Nothing here chooses
//! a backend or talks to one.

pub(crate) mod acceptor;
pub(crate) mod client_connection;
pub(crate) mod handoff;
pub(crate) mod respond_and_close;
