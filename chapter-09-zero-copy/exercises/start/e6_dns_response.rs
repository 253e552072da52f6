//! Exercise 9.6: a cached DNS response (an hour).
//!
//! **Contract.** [`refresh`] prepares a response that is `age` seconds old to be sent again (RFC 1035, section 4.1).
//!
//! - A name is a list of labels (a length up to 63, and as many bytes) that ends with a 0, or with a pointer of two
//!   bytes, whose upper two bits are set. A pointer need not be followed.
//! - The time to live of each record, in all three sections, becomes less by `age`. With its uppermost bit set it counts
//!   as 0 (RFC 2181, section 8). If any is `age` or less, the response has expired. `OPT` (type 41) has flags at this
//!   place (RFC 6891, section 6.1.3), which stay and say nothing about age.
//! - The addresses in the answers of type A (1, of 4 bytes) take turns: the first `turn` of them go behind the others.
//!   So do, for themselves, those of type AAAA (28, of 16 bytes). Nothing else moves. There may be fewer than `turn`.
//! - Bytes that end too early, a label of another kind, an address of another length: malformed. Bytes after the last
//!   record stay. Only a fresh response is changed.

use crate::contracts::{Freshness, Malformed};

/// Prepares a response that was received `age` seconds ago to be sent with its addresses moved by `turn` places.
pub fn refresh(response: &mut [u8], age: u32, turn: usize) -> Result<Freshness, Malformed> {
    let count = u16::from_be_bytes([response[6], response[7]]);
    // Each record is 16 bytes: a pointer to the name in the question, and an address of four bytes.
    let first = response.len() - 16 * usize::from(count);
    for record in response[first..].chunks_exact_mut(16) {
        let time_to_live = u32::from_be_bytes([record[6], record[7], record[8], record[9]]);
        record[6..10].copy_from_slice(&(time_to_live - age).to_be_bytes());
    }
    response[first..].rotate_left(16 * (turn % usize::from(count)));
    Ok(Freshness::Fresh)
}
