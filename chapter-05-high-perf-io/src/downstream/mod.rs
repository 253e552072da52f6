//! The client's side: accepting connections, and what is kept of each.
//!
//! A connection is accepted by one worker and may be served by another; from then on it is a state machine that its
//! event loop drives. How a client gets a local reply, and how its connection is closed so that the reply arrives,
//! stands here too. Nothing here chooses a backend or talks to one.

pub(crate) mod acceptor;
pub(crate) mod client_connection;
pub(crate) mod handoff;
pub(crate) mod respond_and_close;
