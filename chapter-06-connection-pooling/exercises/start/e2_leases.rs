//! Exercise 6.2: whoever never gives it back (an hour).
//!
//! **Contract.** [`leases`] makes [`Leases`] of so many slots, 0 and up, each lent for `limit` at a time. What forgets to
//! give a connection back would else hold its slot for ever.
//!
//! - A slot is lent to one at a time. As many are lent as there are.
//! - A lease is over in the moment `limit` after it was lent or, if it was renewed since, after the last time it was. A
//!   limit that reaches further than the clock is none.
//! - Once it is over it can be neither renewed nor given back, whether `expire` has found it yet or not. Both are refused,
//!   and change nothing but the count of what was refused. So are a lease that was given back before, and one that this
//!   table never gave.
//! - What was refused never touches the slot's next borrower.
//! - `expire` finds each lease that is over once, the first first. Only by this, or when it is given back, does a slot
//!   become free: until then the connection is open, and nobody else may have it.
//! - However many are lent, a call costs a microsecond or so on average. Signs of life are frequent.

use std::time::{Duration, Instant};

use crate::contracts::{Lease, Leases, Usage};

/// Until when each slot is lent, if it is.
#[derive(Debug)]
pub struct Table {
    limit: Duration,
    until: Vec<Option<Instant>>,
    usage: Usage,
}

/// So many slots, all free.
pub fn leases(slots: usize, limit: Duration) -> Table {
    Table { limit, until: vec![None; slots], usage: Usage::default() }
}

impl Leases for Table {
    fn lend(&mut self, now: Instant) -> Option<Lease> {
        let slot = self.until.iter().position(|until| until.is_none_or(|until| until <= now))?;
        self.until[slot] = Some(now + self.limit);
        Some(Lease { slot, turn: 0 })
    }

    fn renew(&mut self, lease: Lease, now: Instant) -> bool {
        self.until[lease.slot] = Some(now + self.limit);
        true
    }

    fn give_back(&mut self, lease: Lease, _now: Instant) -> bool {
        let is_lent = self.until[lease.slot].take().is_some();
        self.usage.refused += u64::from(!is_lent);
        is_lent
    }

    fn expire(&mut self, now: Instant) -> Option<Lease> {
        let slot = self.until.iter().position(|until| until.is_some_and(|until| until <= now))?;
        self.until[slot] = None;
        self.usage.leaked += 1;
        Some(Lease { slot, turn: 0 })
    }

    fn next(&self) -> Option<Instant> {
        self.until.iter().flatten().min().copied()
    }

    fn usage(&self) -> Usage {
        Usage { lent: self.until.iter().flatten().count(), ..self.usage }
    }
}
