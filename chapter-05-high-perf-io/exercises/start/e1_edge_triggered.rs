//! Exercise 5.1: reads on an edge-triggered socket (warm-up).
//!
//! **Contract.** [`is_readable`] gets the history of a socket, in order, and returns whether a read is worth a system
//! call now. It is worth one if the read may return something that no later event will report; it is not if the read is
//! certain to return nothing.
//!
//! - Before the first event nothing is known; the first event reports the state.
//! - A read that filled its buffer may have left bytes.
//! - A short read has taken all bytes that had arrived. Bytes that arrive later cause a new event.
//! - A FIN or an error that an event has reported takes a read of its own, after all bytes. No second event reports it.
//! - After a read has returned the FIN or the error, nothing arrives any more.

use crate::contracts::{HistoryEntry, ReadResult};

/// Whether a read is worth a system call after this history.
pub fn is_readable(history: &[HistoryEntry]) -> bool {
    let mut readable = false;
    for entry in history {
        match entry {
            HistoryEntry::Event(event) => readable |= event.readable,
            HistoryEntry::Read { buffer_len, result } => readable = *result == ReadResult::Bytes(*buffer_len),
        }
    }
    readable
}
