//! Exercise 5.1, solved.
//!
//! Three bits are enough: whether bytes may be there, whether an event has reported a FIN or an error, and whether a
//! read has returned it. A short read clears the first bit unless the second is set. An event loop keeps the bits in
//! its socket rather than the history; `src/socket.rs` of the chapter has two of them, because after a FIN or an error
//! it does not read again.

use crate::contracts::{Found, Seen};

/// Whether a read is worth a system call after this history.
pub fn is_readable(seen: &[Seen]) -> bool {
    let (mut readable, mut end_reported, mut end_read) = (false, false, false);
    for seen in seen {
        match seen {
            Seen::Event(event) => {
                readable |= event.readable || event.read_closed || event.error;
                end_reported |= event.read_closed || event.error;
            }
            Seen::Read { room, found: Found::Bytes(bytes) } => readable = bytes == room || end_reported,
            Seen::Read { found: Found::Nothing, .. } => readable = false,
            Seen::Read { found: Found::Interrupted, .. } => {}
            Seen::Read { found: Found::End | Found::Broken, .. } => end_read = true,
        }
    }
    readable && !end_read
}
