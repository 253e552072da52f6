//! A connection to a backend, made by a task that does not hold up its core.

use std::{io, net::SocketAddr, time::Instant};

use common::{
    clock::now,
    http::ProxyError,
    net::{ConnectPlan, connect_nonblocking, refuse_self_connect},
};
use tokio::{net::TcpStream, time::timeout_at};

use super::connection::Upstream;
use crate::pool::{Life, Peer};

/// Tries `addresses` in order until `deadline`, as [`ConnectPlan`] divides it among them. Cancel safe: dropped, it ends the
/// handshake.
///
/// # Errors
/// Side `Backend` when no address answered; `Internal` when this process can open no more sockets.
pub(crate) async fn dial(
    addresses: impl ExactSizeIterator<Item = SocketAddr>,
    deadline: Instant,
) -> Result<Upstream, ProxyError> {
    let mut plan = ConnectPlan::new(addresses, deadline);
    while let Some((address, by)) = plan.next_address(now()) {
        let started = now();
        match connect(address, by).await {
            Ok(stream) => return Ok(Upstream { stream, peer: Peer { address }, life: Life::new(started) }),
            Err(error) => plan.failed(error),
        }
    }
    Err(plan.take_error())
}

async fn connect(address: SocketAddr, by: Instant) -> io::Result<TcpStream> {
    let (stream, _) = connect_nonblocking(address)?;
    let stream = TcpStream::from_std(stream)?;
    // Whether it stands at once or later: the poller says so.
    timeout_at(by.into(), stream.writable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    refuse_self_connect(stream.local_addr()?, address)?;
    Ok(stream)
}
