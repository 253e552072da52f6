//! Reads the prelude from the client's socket.

use std::{
    future::poll_fn,
    io::ErrorKind,
    task::{Context, Poll, ready},
};

use tokio::net::TcpStream;

use super::{end::SessionEnd, prelude::PreludeReader};

/// How many bytes are read at a time. A `ClientHello` has a few hundred, or about 1,700 with post-quantum keys.
const READ_BYTES: usize = 4096;

/// Reads until `reader` has all that it expects. The caller sets the deadline.
///
/// # Errors
/// The session ends: the prelude is malformed or cut off, or the client has reset its connection.
pub(crate) async fn read_prelude(client: &TcpStream, reader: &mut PreludeReader<'_>) -> Result<(), SessionEnd> {
    while !reader.is_complete() {
        poll_fn(|context| poll_receive(client, reader, context)).await?;
    }
    Ok(())
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
