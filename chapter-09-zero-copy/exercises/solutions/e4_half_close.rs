//! A solution of exercise 9.4.

use std::collections::VecDeque;

use crate::contracts::{Output, Peer, SessionRelay};

/// A relay of one session.
pub fn relay(capacity: usize) -> Box<dyn SessionRelay> {
    Box::new(Relay { capacity, directions: Default::default(), reset_by: None })
}

/// The bytes to one peer.
#[derive(Default)]
struct Direction {
    held: VecDeque<u8>,
    source_ended: bool,
    fin_sent: bool,
}

struct Relay {
    capacity: usize,
    /// To the client, and to the backend.
    directions: [Direction; 2],
    reset_by: Option<Peer>,
}

impl Relay {
    fn to(&self, peer: Peer) -> &Direction {
        &self.directions[peer as usize]
    }

    fn to_mut(&mut self, peer: Peer) -> &mut Direction {
        &mut self.directions[peer as usize]
    }
}

impl SessionRelay for Relay {
    fn room(&self, peer: Peer) -> usize {
        let direction = self.to(peer.other());
        if direction.source_ended || self.reset_by.is_some() {
            return 0;
        }
        self.capacity - direction.held.len()
    }

    fn received(&mut self, peer: Peer, bytes: &[u8]) {
        self.to_mut(peer.other()).held.extend(bytes);
    }

    fn fin_received(&mut self, peer: Peer) {
        self.to_mut(peer.other()).source_ended = true;
    }

    fn reset_received(&mut self, peer: Peer) {
        self.reset_by.get_or_insert(peer);
    }

    fn output(&self, peer: Peer) -> Output<'_> {
        if let Some(reset_by) = self.reset_by {
            return if peer == reset_by { Output::Close } else { Output::Reset };
        }
        let Direction { held, source_ended, fin_sent } = self.to(peer);
        if !held.is_empty() {
            return Output::Send(held.as_slices().0);
        }
        match (source_ended, fin_sent) {
            (true, false) => Output::Fin,
            (true, true) if self.to(peer.other()).fin_sent => Output::Close,
            _ => Output::Nothing,
        }
    }

    fn sent(&mut self, peer: Peer, count: usize) {
        self.to_mut(peer).held.drain(..count);
    }

    fn fin_sent(&mut self, peer: Peer) {
        self.to_mut(peer).fin_sent = true;
    }
}
