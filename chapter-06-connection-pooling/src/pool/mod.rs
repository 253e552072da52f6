//! Connections to backends that rest between two requests, and who may have them.
//!
//! All of it is book-keeping: generic over what a connection is, with the time passed in, so that every rule is tested
//! without a socket. Each core has a [`Pool`] of its own, without a lock. What one has too many of lies on the
//! [`Shelf`], from which a core takes that has none.

pub mod counts;
pub mod idle;
pub mod lanes;
pub mod limits;
pub mod shelf;
mod sync;

pub use counts::{Counts, Tally};
pub use idle::{Idle, Life, Peer};
pub use lanes::{Pool, Removed, Why};
pub use limits::Limits;
pub use shelf::Shelf;
