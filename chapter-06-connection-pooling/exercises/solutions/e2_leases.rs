//! Exercise 6.2, solved.
//!
//! A slot's index identifies a connection, not its holder. So each lease has a number of its own, and a late holder has
//! one that is no longer the slot's: nothing else separates a forgotten request from the connection of another user.
//!
//! A lease can expire before `expire` is called. It counts as expired at once, but its slot becomes free only when
//! `expire` has returned it, because only then does the caller close the connection. If the slot became free by itself,
//! the leak would never be noticed, and two requests would write to one socket.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::contracts::{Lease, Leases, Usage};

/// The slots and their leases.
#[derive(Debug)]
pub struct Table {
    limit: Duration,
    slots: Vec<Option<Loan>>,
    free: Vec<usize>,
    /// The leases with a deadline, the first in front. A set, because a renewed lease is removed from the middle.
    due: BTreeSet<(Instant, usize)>,
    turns: u64,
    leaked: u64,
    refused: u64,
}

#[derive(Debug, Clone, Copy)]
struct Loan {
    turn: u64,
    /// `None`: no limit.
    until: Option<Instant>,
}

/// A table of free slots.
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
    /// Lends the slot from now on, under this lease number.
    fn set(&mut self, slot: usize, turn: u64, now: Instant) {
        let until = now.checked_add(self.limit);
        self.slots[slot] = Some(Loan { turn, until });
        self.due.extend(until.map(|until| (until, slot)));
    }

    /// Ends the loan of the slot, if there is one. The caller has to free the slot or lend it again.
    fn clear(&mut self, slot: usize) -> Option<Loan> {
        let loan = self.slots[slot].take()?;
        if let Some(until) = loan.until {
            self.due.remove(&(until, slot));
        }
        Some(loan)
    }

    /// Whether the lease is valid; counts a rejected call if it is not.
    fn check(&mut self, lease: Lease, now: Instant) -> bool {
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
        let is_valid = self.check(lease, now);
        if is_valid {
            self.clear(lease.slot);
            self.set(lease.slot, lease.turn, now);
        }
        is_valid
    }

    fn give_back(&mut self, lease: Lease, now: Instant) -> bool {
        let is_valid = self.check(lease, now);
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
