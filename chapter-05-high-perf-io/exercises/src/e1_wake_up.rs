//! Exercise 5.1: the wake-up rule (warm-up).
//!
//! **Contract.** [`is_readable`] gets what happened to a socket, in order, and says whether a read is worth a system
//! call now. It is not, if that read is sure to find nothing; it is, if it may find what no later event will tell of.
//!
//! - Before the first event nothing is known, and the first event says how it is.
//! - A read that filled its buffer may have left something.
//! - A read that did not has taken all bytes that had come. Bytes that come later are a new event.
//! - A FIN, or a break, that an event has told of is found by a read of its own, behind all bytes. There is no event for
//!   it a second time.
//! - Once a read has found the end or the break, nothing comes any more.

use crate::contracts::{Found, Seen};

/// Whether a read is worth making after all this.
pub fn is_readable(seen: &[Seen]) -> bool {
    let mut readable = false;
    for seen in seen {
        match seen {
            Seen::Event(told) => readable |= told.readable,
            Seen::Read { room, found } => readable = *found == Found::Bytes(*room),
        }
    }
    readable
}
