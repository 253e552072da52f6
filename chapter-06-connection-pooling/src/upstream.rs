//! A connection to a backend, and whether it may be used again.

use std::{
    io::ErrorKind,
    net::TcpStream as StdStream,
    task::{Context, Waker},
    time::Duration,
};

use socket2::SockRef;
use tokio::{io::ReadBuf, net::TcpStream};

use crate::pool::{Life, Peer};

/// A request that must not be executed twice goes only over a connection that was used so recently that its end would
/// be known.
const JUST_USED: Duration = Duration::from_millis(500);

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: TcpStream,
    pub(crate) peer: Peer,
    pub(crate) life: Life,
}

// ANCHOR: quiet
/// Whether nothing has come that nobody has read, an end included. What the poller has heard is enough: no system call.
pub(crate) fn is_quiet(stream: &TcpStream) -> bool {
    let mut byte = [0];
    stream.poll_peek(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut byte)).is_pending()
}

/// Whether a connection that has rested so long may have a request. One that must not be executed twice asks the kernel
/// too: an event may be on its way.
pub(crate) fn is_fit(stream: &TcpStream, idempotent: bool, rested: Duration) -> bool {
    is_quiet(stream) && (idempotent || rested < JUST_USED && has_nothing_to_read(&SockRef::from(stream)))
}
// ANCHOR_END: quiet

/// The same of a connection that no poller watches.
pub(crate) fn is_quiet_now(stream: &StdStream) -> bool {
    has_nothing_to_read(&SockRef::from(stream))
}

fn has_nothing_to_read(socket: &SockRef<'_>) -> bool {
    let peeked = socket.peek(&mut [std::mem::MaybeUninit::uninit()]);
    matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}
