//! An idle connection: its pool key, its age and how many requests it has served.

use std::{net::SocketAddr, time::Instant};

/// What makes two connections interchangeable: the peer they lead to.
///
/// The address, not the backend's name: a name that resolves to a new address must not get a connection to the old one,
/// and two names of one server may share connections. Keys are compared in full: with a hash alone two peers could
/// collide, and one user's request would go to another user's server. With TLS, the server name and the certificate
/// belong here too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The peer's address.
    pub address: SocketAddr,
}

/// The history of a connection. It moves with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionMeta {
    /// When its connect began.
    pub created_at: Instant,
    /// How many requests it has served.
    pub requests_served: u32,
}

impl ConnectionMeta {
    /// A connection that was created at `created_at` and has served no request.
    pub fn new(created_at: Instant) -> Self {
        Self { created_at, requests_served: 0 }
    }
}

/// An idle connection.
#[derive(Debug)]
pub struct IdleConnection<C> {
    /// The connection.
    pub connection: C,
    /// Its age and its requests.
    pub meta: ConnectionMeta,
    /// Since when it is idle.
    pub idle_since: Instant,
}

/// Why the pool does not keep a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvictReason {
    /// The pool is full, and this is the longest idle connection.
    PoolFull,
    /// It has reached the idle timeout, its maximum age or its maximum number of requests.
    Expired,
    /// The check found it not reusable: the backend has closed it, or has sent unrequested data.
    Stale,
}

/// A connection that the pool has removed.
#[derive(Debug)]
pub struct Evicted<C> {
    /// Its pool key.
    pub key: PoolKey,
    /// The connection.
    pub idle: IdleConnection<C>,
    /// Why it was removed.
    pub reason: EvictReason,
}
