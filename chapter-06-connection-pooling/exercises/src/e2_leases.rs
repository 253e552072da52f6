//! Exercise 6.2: leases that detect connection leaks (an hour).
//!
//! **Contract.** [`leases`] returns [`Leases`] for `slots` slots, numbered from 0, each leased for `limit` at a time.
//! Without a limit, code that never returns a connection would hold its slot for ever.
//!
//! - A slot has one lease at a time. All slots can be leased.
//! - A lease expires `limit` after it was acquired or last renewed. A limit beyond the range of the clock means no
//!   limit.
//! - An expired lease can be neither renewed nor released, whether or not `expire` has returned it. Both are rejected,
//!   and change nothing but the count of rejected calls. The same holds for a lease that was already released, and for
//!   one that this table never issued.
//! - A rejected call never affects the slot's next lease.
//! - `expire` returns each expired lease once, in the order in which they expired. Only `expire` and `release` free a
//!   slot: until then the connection is open, and no other lease may be issued for it.
//! - However many slots are leased, a call costs about a microsecond on average. Renewals are frequent.

use std::time::{Duration, Instant};

use crate::contracts::{Lease, Leases, Usage};

/// The deadline of each slot's lease, if it has one.
#[derive(Debug)]
pub struct LeaseTable {
    limit: Duration,
    expires_at: Vec<Option<Instant>>,
    usage: Usage,
}

/// A table of free slots.
pub fn leases(slots: usize, limit: Duration) -> LeaseTable {
    LeaseTable { limit, expires_at: vec![None; slots], usage: Usage::default() }
}

impl Leases for LeaseTable {
    fn acquire(&mut self, now: Instant) -> Option<Lease> {
        let slot =
            self.expires_at.iter().position(|expires_at| expires_at.is_none_or(|expires_at| expires_at <= now))?;
        self.expires_at[slot] = Some(now + self.limit);
        Some(Lease { slot, generation: 0 })
    }

    fn renew(&mut self, lease: Lease, now: Instant) -> bool {
        self.expires_at[lease.slot] = Some(now + self.limit);
        true
    }

    fn release(&mut self, lease: Lease, _now: Instant) -> bool {
        let is_leased = self.expires_at[lease.slot].take().is_some();
        self.usage.rejected += u64::from(!is_leased);
        is_leased
    }

    fn expire(&mut self, now: Instant) -> Option<Lease> {
        let slot =
            self.expires_at.iter().position(|expires_at| expires_at.is_some_and(|expires_at| expires_at <= now))?;
        self.expires_at[slot] = None;
        self.usage.leaked += 1;
        Some(Lease { slot, generation: 0 })
    }

    fn next(&self) -> Option<Instant> {
        self.expires_at.iter().flatten().min().copied()
    }

    fn usage(&self) -> Usage {
        Usage { in_use: self.expires_at.iter().flatten().count(), ..self.usage }
    }
}
