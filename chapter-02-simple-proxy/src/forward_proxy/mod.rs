//! Part two: a forward proxy. Clients are configured to use it; a reverse proxy is placed in front of servers instead.
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the same steps; the request names the destination |
//! | [`destination`] | the target's authority, and its addresses |
//! | [`acl`] | which destinations are allowed |
//! | [`credentials`] | which clients are allowed |
//!
//! A request has one of two forms. `GET http://host/path` is relayed as in the reverse proxy. `CONNECT host:port`
//! opens a tunnel: after the 200, the proxy relays bytes that it cannot read, mostly TLS. The HTTP relay, the driver
//! and the accept loop are those of the reverse proxy.

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
    let (listener, proxy, client_shutdown) = (listeners.into_first(), Arc::clone(proxy), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection_id| {
        serve::serve_connection(&proxy, stream, connection_id, &client_shutdown);
    })
}
