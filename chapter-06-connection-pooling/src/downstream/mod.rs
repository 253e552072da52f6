//! The client's side: what is kept of a connection, and how it changes workers.
//!
//! A client's connection is served by one task on one worker. How a client gets a local reply, and how its connection is
//! closed so that the reply arrives, stands here too. Nothing here chooses a backend or talks to one.

pub(crate) mod client_connection;
pub(crate) mod handoff;
pub(crate) mod respond_and_close;
