//! Reads the prelude from the client's socket.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    task::{Context, Poll, ready},
    time::Instant,
};

use connection_pooling::timer::LazyTimer;
use tokio::net::TcpStream;

use super::{
    end::SessionEnd,
    prelude::{Prelude, PreludeReader},
    wait::wait_unless_reset,
};
use crate::tcp_worker::TcpWorker;

/// How many bytes are read at a time. A `ClientHello` has a few hundred, or about 1,700 with post-quantum keys.
const READ_BYTES: usize = 4096;

/// Reads the prelude of a connection of `peer` to `local`, which was accepted at `accepted_at`.
///
/// # Errors
/// The session ends: the prelude is malformed, late or cut off.
pub(super) async fn read_prelude<D>(
    worker: &TcpWorker<D>,
    client: &TcpStream,
    timer: &mut LazyTimer,
    (peer, local): (SocketAddr, SocketAddr),
    accepted_at: Instant,
) -> Result<Prelude, SessionEnd> {
    let config = &worker.options().prelude;
    let mut reader = PreludeReader::new(config, peer, local);
    while !reader.is_complete() {
        let receive = |context: &mut Context<'_>| poll_receive(client, &mut reader, context);
        let received = wait_unless_reset(worker.thread(), client, timer, accepted_at + config.timeout, receive).await?;
        received.unwrap_or_else(|| Err(reader.end_if_incomplete()))?;
    }
    Ok(reader.prelude)
}

/// Gives the reader what the client has sent.
fn poll_receive(
    client: &TcpStream,
    reader: &mut PreludeReader<'_>,
    context: &mut Context<'_>,
) -> Poll<Result<(), SessionEnd>> {
    let mut bytes = [0; READ_BYTES];
    loop {
        if ready!(client.poll_read_ready(context)).is_err() {
            return Poll::Ready(Err(SessionEnd::ClientReset));
        }
        match client.try_read(&mut bytes) {
            Ok(0) => return Poll::Ready(Err(reader.end_if_incomplete())),
            Ok(length) => return Poll::Ready(reader.push(&bytes[..length])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Poll::Ready(Err(SessionEnd::ClientReset)),
        }
    }
}
