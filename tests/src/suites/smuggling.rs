//! Suite `smuggling`: a message that two parsers could read differently is rejected, never repaired.
//!
//! The rejected requests are tables. Each row is sent at once, then in two segments, then with a second
//! request behind it; each time the client gets the row's status and a close, and the backend not
//! one byte.

pub(super) mod chunks;
pub(super) mod fields;
pub(super) mod legal;
pub(super) mod lengths;
pub(super) mod limits;
pub(super) mod response_bodies;
pub(super) mod response_heads;
pub(super) mod start_line;
mod table;
pub(super) mod target;
pub(super) mod truncated;
