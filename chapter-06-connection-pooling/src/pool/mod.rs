//! Connections to backends that rest between two requests, and who may have them.
//!
//! All of it is book-keeping: generic over what a connection is, with the time passed in, so that every rule is tested
//! without a socket. Each worker has a [`Pool`] of its own, without a lock. What one has too many of lies on the
//! [`Shelf`], from which a worker takes that has none.

pub mod counters;
pub mod idle_connection;
pub mod idle_pool;
pub mod limits;
pub mod shared_pool;
mod sync;

pub use counters::{PoolCounters, PoolStats};
pub use idle_connection::{ConnectionMeta, IdleConnection, PoolKey};
pub use idle_pool::{EvictReason, Evicted, IdlePool};
pub use limits::PoolLimits;
pub use shared_pool::SharedPool;
