//! Exercise 6.2: leases that find connection leaks (an hour).
//!
//! **Contract.** [`leases`] returns [`Leases`] for `slots` slots, from 0 up, each lent for `limit` at a time. Without a
//! limit, code that forgets to return a connection would hold its slot forever.
//!
//! - A slot has one lease at a time. All slots can be lent.
//! - A lease expires `limit` after it was lent or last renewed. A limit beyond the range of the clock means no limit.
//! - An expired lease can be neither renewed nor given back, whether `expire` has found it or not. Both are rejected,
//!   and change nothing but the count of rejected calls. The same holds for a lease that was given back before, and for
//!   one that this table never issued.
//! - A rejected call never affects the slot's next lease.
//! - `expire` returns each expired lease once, in the order in which they expired. Only `expire` and `give_back` free a
//!   slot: until then the connection is open, and no other lease may be issued for it.
//! - However many slots are lent, a call costs about a microsecond on average. Renewals are frequent.

use std::time::{Duration, Instant};

use crate::contracts::{Lease, Leases, Usage};

/// The deadline of each slot's lease, if it is lent.
#[derive(Debug)]
pub struct Table {
    limit: Duration,
    until: Vec<Option<Instant>>,
    usage: Usage,
}

/// A table of free slots.
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
