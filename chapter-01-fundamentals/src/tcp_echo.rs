//! The echo of one TCP connection: every received byte is sent back, until the client closes its sending half.

use common::shutdown::Shutdown;
use nix::{errno::Errno, sys::socket::MsgFlags};

use crate::{
    poll::{wait_readable, wait_writable},
    socket::Socket,
};

/// The size of one receive, and the most that is ever buffered: while a client does not read its echo, we do not
/// receive from it either (backpressure), so a message may have any size.
const BUFFER_BYTES: usize = 16 * 1024;

// ANCHOR: echo
/// Echoes until the client closes its sending half, or shutdown begins; then closes our sending half. Returns
/// how many bytes were echoed.
///
/// # Errors
/// The connection broke (`ECONNRESET`, `EPIPE`), or the client did not read its echo during shutdown
/// (`ECANCELED`).
pub fn echo(client: &Socket, shutdown: &Shutdown) -> nix::Result<u64> {
    let mut buffer = [0; BUFFER_BYTES];
    let mut echoed = 0;
    while wait_readable(client, shutdown)? {
        match client.recv(&mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => break,
            Ok(received) => {
                send_all(client, &buffer[..received], shutdown)?;
                echoed += received as u64;
            }
            Err(Errno::EAGAIN) => {}
            Err(error) => return Err(error),
        }
    }
    client.shutdown_write()?;
    Ok(echoed)
}
// ANCHOR_END: echo

// ANCHOR: send_all
/// Sends all of `bytes`: as many as fit the socket's send buffer, and the rest once the socket is writable again.
fn send_all(client: &Socket, mut bytes: &[u8], shutdown: &Shutdown) -> nix::Result<()> {
    while !bytes.is_empty() {
        match client.send(bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(taken) => bytes = &bytes[taken..],
            Err(Errno::EAGAIN) if wait_writable(client, shutdown)? => {}
            Err(Errno::EAGAIN) => return Err(Errno::ECANCELED),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
// ANCHOR_END: send_all
