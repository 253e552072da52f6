//! A layer between a client's socket and the relay: none, or encryption.

use std::fmt::Debug;

use super::pump::Wire;

/// Transforms the bytes between a socket and the relay. A layer does not own the socket: the engine passes its socket
/// in, whatever type it waits with. The alternative, a stream type that owns its socket, was rejected: a task that
/// watches the socket for a reset must hold it while the relay reads through the layer; and one layer works with every
/// engine.
///
/// The wrapped [`Wire`] keeps the contract of a socket. `recv` returns plaintext, and 0 only when the peer has ended
/// its stream as the layer requires. Bytes that `send` has taken are in the socket: a layer that could not write all of
/// its output returns `WouldBlock`, remembers its state, and reports how much it took on the next call, which begins
/// with the same bytes. `shutdown_write` sends the layer's closing message as far as the socket takes it, and then FIN.
pub trait StreamLayer: Debug + 'static {
    /// Whether the bytes on the socket are those that the relay sees. Only then may a body go from socket to socket.
    const IS_PLAINTEXT: bool = false;

    /// The wrapped socket, as the relay sees it.
    type Wrapped<'a, W: Wire + 'a>: Wire
    where
        Self: 'a;

    /// Wraps `socket` for one poll.
    fn wrap<'a, W: Wire + 'a>(&'a mut self, socket: W) -> Self::Wrapped<'a, W>;
}

/// No encryption.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plaintext;

impl StreamLayer for Plaintext {
    const IS_PLAINTEXT: bool = true;

    type Wrapped<'a, W: Wire + 'a> = W;

    fn wrap<'a, W: Wire + 'a>(&'a mut self, socket: W) -> W {
        socket
    }
}
