//! Why an address could not be bound.

use std::{io, net::SocketAddr};

/// An address that could not be bound, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", bind_error_text(.source))]
pub struct BindError {
    /// The requested address.
    pub address: SocketAddr,
    /// The error of the system.
    pub source: io::Error,
}

fn bind_error_text(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => "the address is in use; choose another port or stop the program that has it".into(),
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address".into(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE".into()
        }
        _ => source.to_string(),
    }
}
