//! Suite `proxy`: what any HTTP/1.1 gateway does between a client and a backend.

pub(super) mod cli;
pub(super) mod connections;
pub(super) mod fields;
pub(super) mod forwarded;
pub(super) mod interim;
pub(super) mod messages;
pub(super) mod peers;
pub(super) mod unreachable;
pub(super) mod upgrade;
