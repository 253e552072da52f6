//! The client's side: the state of a connection, and its hand-off to another worker.
//!
//! A client's connection is served by one task on one worker. Local replies, and the lingering close that lets them
//! arrive, are here too. Nothing here chooses a backend or talks to one.

pub(crate) mod client_connection;
pub(crate) mod handoff;
pub(crate) mod receive_prelude;
pub(crate) mod respond_and_close;
