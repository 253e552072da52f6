//! What a program needs of the backends that it starts in its own process.

use std::net::SocketAddr;

/// Backends in this process, for a program that was started without any. They stop when it is dropped.
pub trait InProcessBackends {
    /// Their addresses.
    fn addrs(&self) -> Vec<SocketAddr>;

    /// What to print about them: their addresses, a request to try, and a way to break something. The balancer listens
    /// on `balancer`.
    fn usage_hint(&self, balancer: SocketAddr) -> String;
}
