//! Exercise 5.1, solved.
//!
//! Three bits are enough: whether bytes may be there, whether an event has reported a FIN or an error, and whether a
//! read has returned it. A short read clears the first bit unless the second is set. An event loop keeps the bits in
//! its socket rather than the history; `src/socket.rs` of the chapter has two of them, because after a FIN or an error
//! it does not read again.

use crate::contracts::{HistoryEntry, ReadResult};

/// Whether a read is worth a system call after this history.
pub fn is_readable(history: &[HistoryEntry]) -> bool {
    let (mut readable, mut end_reported, mut end_read) = (false, false, false);
    for entry in history {
        match entry {
            HistoryEntry::Event(event) => {
                readable |= event.readable || event.read_closed || event.error;
                end_reported |= event.read_closed || event.error;
            }
            HistoryEntry::Read { buffer_len, result: ReadResult::Bytes(bytes) } => {
                readable = bytes == buffer_len || end_reported;
            }
            HistoryEntry::Read { result: ReadResult::WouldBlock, .. } => readable = false,
            HistoryEntry::Read { result: ReadResult::Interrupted, .. } => {}
            HistoryEntry::Read { result: ReadResult::Eof | ReadResult::ConnectionReset, .. } => end_read = true,
        }
    }
    readable && !end_read
}
