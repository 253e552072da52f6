//! Exercise 6.2, solved.
//!
//! A slot's index identifies a connection, not its holder. So each lease has a generation number, and a late holder has
//! one that is no longer the slot's: nothing else keeps a leaked request from using the connection of another one.
//!
//! A lease can expire before `expire` is called. It counts as expired at once, but its slot becomes free only when
//! `expire` has returned it, because only then does the caller close the connection. If the slot became free at the
//! deadline, the leak would never be detected, and two requests would write to one socket.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::contracts::{Lease, Leases, Usage};

/// The slots and their leases.
#[derive(Debug)]
pub struct LeaseTable {
    limit: Duration,
    slots: Vec<Option<ActiveLease>>,
    free: Vec<usize>,
    /// The leases with a deadline, the first in front. A set, because a renewed lease is removed from the middle.
    due: BTreeSet<(Instant, usize)>,
    generations: u64,
    leaked: u64,
    rejected: u64,
}

#[derive(Debug, Clone, Copy)]
struct ActiveLease {
    generation: u64,
    /// `None`: no limit.
    expires_at: Option<Instant>,
}

/// A table of free slots.
pub fn leases(slots: usize, limit: Duration) -> LeaseTable {
    LeaseTable {
        limit,
        slots: vec![None; slots],
        free: (0..slots).rev().collect(),
        due: BTreeSet::new(),
        generations: 0,
        leaked: 0,
        rejected: 0,
    }
}

impl LeaseTable {
    /// Leases the slot from now on, with this generation.
    fn set(&mut self, slot: usize, generation: u64, now: Instant) {
        let expires_at = now.checked_add(self.limit);
        self.slots[slot] = Some(ActiveLease { generation, expires_at });
        self.due.extend(expires_at.map(|expires_at| (expires_at, slot)));
    }

    /// Ends the lease of the slot, if there is one. The caller has to free the slot or lease it again.
    fn clear(&mut self, slot: usize) -> Option<ActiveLease> {
        let active = self.slots[slot].take()?;
        if let Some(expires_at) = active.expires_at {
            self.due.remove(&(expires_at, slot));
        }
        Some(active)
    }

    /// Whether the lease is valid; counts a rejected call if it is not.
    fn check(&mut self, lease: Lease, now: Instant) -> bool {
        let active =
            self.slots.get(lease.slot).copied().flatten().filter(|active| active.generation == lease.generation);
        let is_valid = active.is_some_and(|active| active.expires_at.is_none_or(|expires_at| now < expires_at));
        self.rejected += u64::from(!is_valid);
        is_valid
    }
}

impl Leases for LeaseTable {
    fn acquire(&mut self, now: Instant) -> Option<Lease> {
        let slot = self.free.pop()?;
        self.generations += 1;
        self.set(slot, self.generations, now);
        Some(Lease { slot, generation: self.generations })
    }

    fn renew(&mut self, lease: Lease, now: Instant) -> bool {
        let is_valid = self.check(lease, now);
        if is_valid {
            self.clear(lease.slot);
            self.set(lease.slot, lease.generation, now);
        }
        is_valid
    }

    fn release(&mut self, lease: Lease, now: Instant) -> bool {
        let is_valid = self.check(lease, now);
        if is_valid {
            self.clear(lease.slot);
            self.free.push(lease.slot);
        }
        is_valid
    }

    fn expire(&mut self, now: Instant) -> Option<Lease> {
        let (_, slot) = *self.due.first().filter(|(expires_at, _)| *expires_at <= now)?;
        let generation = self.clear(slot)?.generation;
        self.free.push(slot);
        self.leaked += 1;
        Some(Lease { slot, generation })
    }

    fn next(&self) -> Option<Instant> {
        self.due.first().map(|(expires_at, _)| *expires_at)
    }

    fn usage(&self) -> Usage {
        Usage { in_use: self.slots.len() - self.free.len(), leaked: self.leaked, rejected: self.rejected }
    }
}
