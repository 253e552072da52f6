//! A connection to a backend, made by a task that does not hold up its core.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use common::{
    clock::now,
    http::{Kind, Phase, ProxyError, Side},
    net::{connect_nonblocking, refuse_self_connect},
};
use simple_proxy::connect::failure;
use tokio::{net::TcpStream, time::timeout_at};

use crate::{
    pool::{Life, Peer},
    upstream::Upstream,
};

/// Tries `addresses` in order until `deadline`. Each gets an equal share of the time that is left, so that one that drops
/// packets does not cost the others their turn. May be dropped at any time: the handshake ends with it.
///
/// # Errors
/// Side `Backend` when no address answered; `Internal` when this process can open no more sockets.
pub(crate) async fn dial(
    addresses: impl ExactSizeIterator<Item = SocketAddr>,
    deadline: Instant,
) -> Result<Upstream, ProxyError> {
    let mut left = addresses.len();
    let mut last = ProxyError::new(Kind::Connect, Side::Backend, Phase::Connect);
    for address in addresses {
        let started = now();
        let share = deadline.saturating_duration_since(started) / u32::try_from(left.max(1)).unwrap_or(u32::MAX);
        left = left.saturating_sub(1);
        match connect(address, started, share).await {
            Ok(stream) => return Ok(Upstream { stream, peer: Peer { address }, life: Life::new(started) }),
            Err(error) => last = failure(error),
        }
        if last.side == Side::Internal {
            break;
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, started: Instant, share: Duration) -> io::Result<TcpStream> {
    let (stream, _) = connect_nonblocking(address)?;
    let stream = TcpStream::from_std(stream)?;
    // Whether it stands at once or later: the poller says so.
    timeout_at((started + share).into(), stream.writable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    refuse_self_connect(stream.local_addr()?, address)?;
    Ok(stream)
}
