//! Exercise 9.4: a half-close that loses no byte (an hour).
//!
//! **Contract.** [`relay`] returns a [`SessionRelay`] that holds at most `capacity` bytes per direction.
//!
//! - What one peer sends, the other is sent, in order. FIN is passed on once, after the last byte before it.
//! - A peer that has sent FIN is not read any more, and is still sent what the other one says. Both sockets are closed
//!   when FIN was sent to both peers, and not before.
//! - [`SessionRelay::room`] is what the capacity leaves: a peer that takes nothing stops the other one, and its own
//!   direction goes on.
//! - After a reset of one peer the other is reset, and at once: bytes that are held are dropped, because a FIN after them
//!   would make half a message look whole. The socket of the first is closed. Nothing is read any more.

use crate::contracts::{Output, Peer, SessionRelay};

/// A relay of one session.
pub fn relay(capacity: usize) -> Box<dyn SessionRelay> {
    Box::new(Relay { capacity, to_client: Vec::new(), to_backend: Vec::new(), is_over: false })
}

struct Relay {
    capacity: usize,
    to_client: Vec<u8>,
    to_backend: Vec<u8>,
    is_over: bool,
}

impl Relay {
    fn held_for(&mut self, peer: Peer) -> &mut Vec<u8> {
        match peer {
            Peer::Client => &mut self.to_client,
            Peer::Backend => &mut self.to_backend,
        }
    }
}

impl SessionRelay for Relay {
    fn room(&self, _peer: Peer) -> usize {
        self.capacity
    }

    fn received(&mut self, peer: Peer, bytes: &[u8]) {
        self.held_for(peer.other()).extend_from_slice(bytes);
    }

    fn fin_received(&mut self, _peer: Peer) {
        self.is_over = true;
    }

    fn reset_received(&mut self, _peer: Peer) {
        self.is_over = true;
    }

    fn output(&self, peer: Peer) -> Output<'_> {
        let held = if peer == Peer::Client { &self.to_client } else { &self.to_backend };
        match self.is_over {
            true => Output::Close,
            false if held.is_empty() => Output::Nothing,
            false => Output::Send(held),
        }
    }

    fn sent(&mut self, peer: Peer, count: usize) {
        self.held_for(peer).drain(..count);
    }

    fn fin_sent(&mut self, _peer: Peer) {}
}
