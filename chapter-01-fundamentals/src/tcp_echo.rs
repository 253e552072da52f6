//! One client's conversation: what comes in goes out, until the client has said its last word.

use common::shutdown::Shutdown;
use nix::{errno::Errno, sys::socket::MsgFlags};

use crate::{
    poll::{wait_readable, wait_writable},
    socket::Socket,
};

/// How much is received at once, and all that is ever held of a message: a client who sends and does not
/// read is not read from either (back-pressure), so a message of any size fits.
const BUFFER_BYTES: usize = 16 * 1024;

// ANCHOR: echo
/// Echoes until the client closes its sending half, or the program is to end; then closes ours. Returns
/// how many bytes went back.
///
/// # Errors
/// The connection broke (`ECONNRESET`, `EPIPE`), or the client did not read and the program is to end
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
/// Sends all of `bytes`: as much as the kernel takes, and the rest when it has room again.
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
