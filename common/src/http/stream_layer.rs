//! What may lie between a client's socket and the machine: nothing, or encryption.

use std::fmt::Debug;

use super::pump::Wire;

/// Changes the bytes between a socket and the machine, and has no socket of its own: the engine's socket is passed in,
/// whatever it waits with.
///
/// The [`Wire`] that it gives keeps the socket's promises. What `recv` gives is what the machine is to read, and 0 only
/// where the peer has ended its stream as the layer wants it ended. What `send` has taken is with the socket: a layer that
/// could not get rid of all that it has made of it says `WouldBlock`, remembers, and says how much it took when it is
/// asked again, with the same bytes first. `shut_write` says goodbye as the layer does, as far as the socket takes it, and
/// then sends FIN.
pub trait StreamLayer: Debug + 'static {
    /// The machine's end of it.
    type Wrapped<'a, W: Wire + 'a>: Wire
    where
        Self: 'a;

    /// Lays it over `socket`, for one poll.
    fn wrap<'a, W: Wire + 'a>(&'a mut self, socket: W) -> Self::Wrapped<'a, W>;
}

/// No layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plaintext;

impl StreamLayer for Plaintext {
    type Wrapped<'a, W: Wire + 'a> = W;

    fn wrap<'a, W: Wire + 'a>(&'a mut self, socket: W) -> W {
        socket
    }
}
