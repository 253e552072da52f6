//! Idle connections to backends, kept for the next request.
//!
//! All of it is bookkeeping: generic over the connection type, with the time passed in, so that every rule is tested
//! without a socket. Each worker has its own [`IdlePool`], without a lock; [`ConnectionPool`] is what it asks of it.
//! Connections that a worker does not need go to the [`SharedPool`], from which a worker takes one when its own pool
//! has none.

mod connection_pool;
mod counters;
mod idle_connection;
mod idle_pool;
mod limits;
mod shared_pool;
mod sync;

pub use connection_pool::ConnectionPool;
pub use counters::{PoolCounters, PoolStats};
pub use idle_connection::{ConnectionMeta, EvictReason, Evicted, IdleConnection, PoolKey};
pub use idle_pool::IdlePool;
pub use limits::PoolLimits;
pub use shared_pool::SharedPool;
