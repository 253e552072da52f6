//! A connection that rests: to whom it leads, and what it has behind it.

use std::{net::SocketAddr, time::Instant};

/// To whom a connection leads, and all else that makes two of them interchangeable.
///
/// The address, not the backend's name: a name that has moved must not get a connection to where it was, and two names
/// of one server may share. Compared whole; a hash alone would let two peers collide, and one user's request go to
/// another one's server. A connection that is encrypted will have its server name and its certificate here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// Where it is connected to.
    pub address: SocketAddr,
}

/// What a connection has behind it. Goes with it wherever it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionMeta {
    /// When it was made.
    pub created_at: Instant,
    /// How many requests it has served.
    pub requests_served: u32,
}

impl ConnectionMeta {
    /// A connection that was made at `born` and has served nobody.
    pub fn new(created_at: Instant) -> Self {
        Self { created_at, requests_served: 0 }
    }
}

/// A connection that rests.
#[derive(Debug)]
pub struct IdleConnection<C> {
    /// The connection.
    pub connection: C,
    /// What it has behind it.
    pub meta: ConnectionMeta,
    /// Since when it rests.
    pub idle_since: Instant,
}
