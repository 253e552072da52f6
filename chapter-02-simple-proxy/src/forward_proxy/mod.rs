//! Part two: a forward proxy. It stands before clients, who know it, instead of before servers.
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the same steps; the request says where to |
//! | [`destination`] | the target's authority, and its addresses |
//! | [`acl`] | which destinations are allowed |
//! | [`credentials`] | who may ask |
//!
//! A request comes in one of two forms. `GET http://host/path` is relayed as any other. `CONNECT host:port`
//! asks for a tunnel: after the 200 bytes are bytes, mostly those of TLS, and the proxy cannot read them.
//! The machine, the thread around it and the accept loop are those of the reverse proxy.

pub mod acl;
pub mod credentials;
pub mod destination;
mod proxy;
mod serve;

use std::{io, sync::Arc};

use common::{net::Listeners, shutdown::Shutdown};

use crate::accept;

pub use proxy::{Config, ForwardProxy};

/// Serves clients on the first of `listeners` until the shutdown, and drains.
///
/// # Errors
/// The listener failed.
pub fn run(proxy: &Arc<ForwardProxy>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let config = &proxy.config;
    let (listener, proxy, heeded) = (listeners.into_first(), Arc::clone(proxy), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection| {
        serve::serve_connection(&proxy, stream, connection, &heeded);
    })
}
