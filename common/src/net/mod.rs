//! Sockets, up to the point where bytes flow.
//!
//! [`Listeners`], or the [`DatagramSockets`] of UDP, are bound before anything else starts, so that a port in use is an
//! error before the first log line; [`BoundSockets`] is what a program needs of either.
//! [`AcceptError`] classifies errors of accept(2), and [`ConnectionLimiter`] bounds the number of clients. Towards
//! backends, [`resolve`] resolves a name, [`ConnectPlan`] orders the connects to its addresses, and
//! [`connect_nonblocking`] starts one, for which the engine waits in its own way. Nothing here blocks except
//! [`resolve`], which asks the system's resolver and may take seconds: never call it on a worker.

mod accept;
mod address_list;
mod bind_error;
mod bound_sockets;
mod connect;
mod connect_plan;
mod connection_limiter;
mod datagram_sockets;
mod fd_limit;
mod listeners;

pub use accept::{ACCEPT_PAUSE, AcceptError, AcceptedConnection};
pub use address_list::{AddressList, Addresses};
pub use bind_error::BindError;
pub use bound_sockets::BoundSockets;
pub use connect::{
    check_not_self_connect, connect_error, connect_nonblocking, connect_once_nonblocking, resolve, set_reset_on_close,
};
pub use connect_plan::{ConnectAttempt, ConnectPlan, ConnectStep};
pub use connection_limiter::ConnectionLimiter;
pub use datagram_sockets::DatagramSockets;
pub use fd_limit::{max_clients_for_fds, raise_fd_limit, spare_upstreams_for_fds};
pub use listeners::Listeners;
