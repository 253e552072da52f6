//! The same service over UDP: no connection, no stream, a socket for everybody.

use common::shutdown::Shutdown;
use nix::errno::Errno;

use crate::{poll::wait_readable, socket::Socket};

/// No datagram is longer: its length is a 16-bit field (RFC 768).
const MAX_DATAGRAM_BYTES: usize = 65_535;

// ANCHOR: datagrams
/// Sends each datagram back to whoever sent it, until the program is to end.
///
/// One receive is one message here, also an empty one, and an empty one ends nothing. A datagram that cannot
/// be sent back is lost, as any datagram may be on its way: to wait until it can is not what UDP promises.
pub fn echo_datagrams(socket: &Socket, shutdown: &Shutdown) -> nix::Result<()> {
    let mut datagram = vec![0; MAX_DATAGRAM_BYTES];
    while wait_readable(socket, shutdown)? {
        let (length, sender) = match socket.recv_from(&mut datagram) {
            Ok(received) => received,
            Err(Errno::EAGAIN) => continue,
            Err(error) => {
                // A report about an earlier datagram, such as ECONNREFUSED: no reason to end.
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
