//! What a program binds before anything else starts.

use std::{net::SocketAddr, num::NonZeroUsize};

use super::bind_error::BindError;

/// The sockets that clients reach: one, or one per worker, all on one address.
pub trait BoundSockets: Sized {
    /// What is limited in number because each needs descriptors: the word in the line that a program prints at its start.
    const CLIENTS: &'static str;

    /// Binds `count` sockets to `address`; with port 0 the kernel chooses one port for all of them. A port that another
    /// program has is an error.
    fn bind(address: SocketAddr, count: NonZeroUsize) -> Result<Self, BindError>;

    /// The bound address, with the port that the kernel chose if port 0 was requested.
    fn local_address(&self) -> SocketAddr;

    /// How many clients fit into `fd_limit` open files, of which the program itself needs `own_fds`; at most `requested`.
    /// `backends_in_process`: the backends run in this process.
    fn max_clients(fd_limit: u64, own_fds: u64, requested: Option<usize>, backends_in_process: bool) -> usize;
}
