//! Socket addresses, from what system calls return.

use std::net::SocketAddr;

use nix::sys::socket::SockaddrStorage;

/// The address as the standard library has it; `None` if it is no IP address.
pub(super) fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()))
}
