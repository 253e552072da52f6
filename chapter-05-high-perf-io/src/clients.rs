//! How many clients there are in all loops, and who has room for the next.

use std::sync::{
    Arc,
    atomic::{
        AtomicU32, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

use crate::mailbox::{Letter, Mailbox};

/// A loop may have this part more clients than the one with the fewest before it hands one over: for a few that stay, one
/// too many is much; for many that come and go, a hand-over costs more than it mends.
const SLACK: usize = 8;

/// The clients of all loops.
#[derive(Debug)]
pub(crate) struct Clients {
    count: AtomicUsize,
    limit: usize,
    serial: AtomicU32,
    loops: Vec<Arc<Mailbox>>,
}

impl Clients {
    /// At most `limit` of them.
    pub(crate) fn new(limit: usize, loops: Vec<Arc<Mailbox>>) -> Self {
        Self { count: AtomicUsize::new(0), limit, serial: AtomicU32::new(0), loops }
    }

    /// The loops, by their mailboxes.
    pub(crate) fn loops(&self) -> &[Arc<Mailbox>] {
        &self.loops
    }

    /// Takes a place for one more, if there is one.
    pub(crate) fn try_enter(&self) -> bool {
        let one_more = |count| (count < self.limit).then_some(count + 1);
        self.count.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// Whether there is a place for one more.
    pub(crate) fn have_room(&self) -> bool {
        self.count.load(SeqCst) < self.limit
    }

    /// Gives a place back. Who had to stop accepting hears of it.
    pub(crate) fn leave(&self) {
        if self.count.fetch_sub(1, SeqCst) == self.limit {
            for mailbox in &self.loops {
                let _ = mailbox.post(Letter::Room);
            }
        }
    }

    /// The number of the next client.
    pub(crate) fn next_serial(&self) -> u32 {
        self.serial.fetch_add(1, Relaxed)
    }

    // ANCHOR: place
    /// Which loop is to have a client that `own` has accepted. The kernel deals clients out by a hash of their
    /// addresses: over many they are even, over few they are not.
    pub(crate) fn place_for<'a>(&'a self, own: &'a Arc<Mailbox>) -> &'a Arc<Mailbox> {
        let emptiest = self.loops.iter().min_by_key(|mailbox| mailbox.clients()).unwrap_or(own);
        let (most, least) = (own.clients(), emptiest.clients());
        if most > least + least / SLACK { emptiest } else { own }
    }
    // ANCHOR_END: place
}
