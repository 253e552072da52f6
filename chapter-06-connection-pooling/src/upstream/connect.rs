//! Connects to a backend without blocking the worker.

use std::{io, net::SocketAddr, time::Instant};

use common::{
    clock::now,
    http::ProxyError,
    net::{ConnectPlan, check_not_self_connect, connect_nonblocking},
};
use tokio::{net::TcpStream, time::timeout_at};

use super::connection::UpstreamConnection;
use crate::pool::{ConnectionMeta, PoolKey};

/// Tries `addresses` in order until `deadline`; [`ConnectPlan`] divides the time among them. Cancel safe: dropping it
/// aborts the handshake.
///
/// # Errors
/// Side `Backend` when no address answered; `Internal` when this process can open no more sockets.
pub(crate) async fn connect_any(
    addresses: impl ExactSizeIterator<Item = SocketAddr>,
    deadline: Instant,
) -> Result<UpstreamConnection, ProxyError> {
    let mut plan = ConnectPlan::new(addresses, deadline);
    while let Some((address, address_deadline)) = plan.next_address(now()) {
        let started = now();
        match connect_one(address, address_deadline).await {
            Ok(stream) => {
                return Ok(UpstreamConnection { stream, key: PoolKey { address }, meta: ConnectionMeta::new(started) });
            }
            Err(error) => plan.record_failure(error),
        }
    }
    Err(plan.take_error())
}

async fn connect_one(address: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    let (stream, _) = connect_nonblocking(address)?;
    let stream = TcpStream::from_std(stream)?;
    // Established at once or later: the poller reports it.
    timeout_at(deadline.into(), stream.writable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    check_not_self_connect(stream.local_addr()?, address)?;
    Ok(stream)
}
