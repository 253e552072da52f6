//! Exercise 6.2, solved.
//!
//! A slot's number says where, never whose. So each lease has a number of its own, and who comes late shows one that is
//! no longer the slot's: nothing else stands between a forgotten request and the connection of another user.
//!
//! A lease can be over before anybody has noticed. It counts as over all the same, but its slot becomes free only when
//! `expire` has given it out, for only then does somebody close the connection. Were the slot lent again by itself, the
//! leak would never be seen, and two would write to one socket.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::contracts::{Lease, Leases, Usage};

/// Slots, and to whom each is lent.
#[derive(Debug)]
pub struct Table {
    limit: Duration,
    slots: Vec<Option<Loan>>,
    free: Vec<usize>,
    /// Those that will be over some day, the first in front. A set: a loan that is renewed is taken out of the middle.
    due: BTreeSet<(Instant, usize)>,
    turns: u64,
    leaked: u64,
    refused: u64,
}

#[derive(Debug, Clone, Copy)]
struct Loan {
    turn: u64,
    /// `None`: for ever.
    until: Option<Instant>,
}

/// So many slots, all free.
pub fn leases(slots: usize, limit: Duration) -> Table {
    Table {
        limit,
        slots: vec![None; slots],
        free: (0..slots).rev().collect(),
        due: BTreeSet::new(),
        turns: 0,
        leaked: 0,
        refused: 0,
    }
}

impl Table {
    /// Lends the slot from now on, under this number.
    fn set(&mut self, slot: usize, turn: u64, now: Instant) {
        let until = now.checked_add(self.limit);
        self.slots[slot] = Some(Loan { turn, until });
        self.due.extend(until.map(|until| (until, slot)));
    }

    /// Ends whatever loan there is of the slot. Who calls it has to see to the slot.
    fn clear(&mut self, slot: usize) -> Option<Loan> {
        let loan = self.slots[slot].take()?;
        if let Some(until) = loan.until {
            self.due.remove(&(until, slot));
        }
        Some(loan)
    }

    /// Whether it still counts; if not, that is one refusal more.
    fn admit(&mut self, lease: Lease, now: Instant) -> bool {
        let loan = self.slots.get(lease.slot).copied().flatten().filter(|loan| loan.turn == lease.turn);
        let is_valid = loan.is_some_and(|loan| loan.until.is_none_or(|until| now < until));
        self.refused += u64::from(!is_valid);
        is_valid
    }
}

impl Leases for Table {
    fn lend(&mut self, now: Instant) -> Option<Lease> {
        let slot = self.free.pop()?;
        self.turns += 1;
        self.set(slot, self.turns, now);
        Some(Lease { slot, turn: self.turns })
    }

    fn renew(&mut self, lease: Lease, now: Instant) -> bool {
        let is_valid = self.admit(lease, now);
        if is_valid {
            self.clear(lease.slot);
            self.set(lease.slot, lease.turn, now);
        }
        is_valid
    }

    fn give_back(&mut self, lease: Lease, now: Instant) -> bool {
        let is_valid = self.admit(lease, now);
        if is_valid {
            self.clear(lease.slot);
            self.free.push(lease.slot);
        }
        is_valid
    }

    fn expire(&mut self, now: Instant) -> Option<Lease> {
        let (_, slot) = *self.due.first().filter(|(until, _)| *until <= now)?;
        let turn = self.clear(slot)?.turn;
        self.free.push(slot);
        self.leaked += 1;
        Some(Lease { slot, turn })
    }

    fn next(&self) -> Option<Instant> {
        self.due.first().map(|(until, _)| *until)
    }

    fn usage(&self) -> Usage {
        Usage { lent: self.slots.len() - self.free.len(), leaked: self.leaked, refused: self.refused }
    }
}
