//! The echo service over UDP: no connections, no streams, one socket for all clients.

use common::shutdown::Shutdown;
use nix::errno::Errno;

use crate::{poll::wait_readable, socket::Socket};

/// No datagram is longer: its length is a 16-bit field (RFC 768).
const MAX_DATAGRAM_BYTES: usize = 65_535;

// ANCHOR: datagrams
/// Sends each datagram back to its sender, until shutdown.
///
/// One receive is one message; an empty message is a message too, and not the end of a stream. A datagram that
/// cannot be sent back is dropped: UDP does not guarantee delivery, so there is no reason to wait and retry.
pub fn echo_datagrams(socket: &Socket, shutdown: &Shutdown) -> nix::Result<()> {
    let mut datagram = vec![0; MAX_DATAGRAM_BYTES];
    while wait_readable(socket, shutdown)? {
        let (length, sender) = match socket.recv_from(&mut datagram) {
            Ok(received) => received,
            Err(Errno::EAGAIN) => continue,
            Err(error) => {
                // The error of an earlier datagram, such as ECONNREFUSED: no reason to stop.
                tracing::info!("cannot receive a datagram: {error}");
                continue;
            }
        };
        match socket.send_to(&datagram[..length], sender) {
            Ok(_) => tracing::info!("{sender}: echoed a datagram of {length} bytes"),
            Err(error) => tracing::info!("{sender}: cannot echo a datagram of {length} bytes: {error}"),
        }
    }
    Ok(())
}
// ANCHOR_END: datagrams
