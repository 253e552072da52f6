//! Exercise 5.1: the wake-up rule (warm-up).
//!
//! **Contract.** [`is_readable`] gets the history of a socket, in order, and returns whether a read is worth a system
//! call now. It is not if the read is certain to return nothing; it is if the read may return what no later event will
//! report.
//!
//! - Before the first event nothing is known; the first event reports the state.
//! - A read that filled its buffer may have left bytes.
//! - A short read has taken all bytes that had arrived. Bytes that arrive later cause a new event.
//! - A FIN or an error that an event has reported takes a read of its own, after all bytes. There is no second event
//!   for it.
//! - After a read has returned the FIN or the error, nothing arrives any more.

use crate::contracts::{Found, Seen};

/// Whether a read is worth a system call after this history.
pub fn is_readable(seen: &[Seen]) -> bool {
    let mut readable = false;
    for seen in seen {
        match seen {
            Seen::Event(event) => readable |= event.readable,
            Seen::Read { room, found } => readable = *found == Found::Bytes(*room),
        }
    }
    readable
}
