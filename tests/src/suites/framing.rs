//! Suite `framing`: bodies of every kind, in both directions, byte for byte and in bounded memory.

use crate::runner::Case;

mod bodies;
mod duplex;
mod early;
mod large;
mod reframing;
mod splits;
mod truncated;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[
        bodies::CASES,
        splits::CASES,
        reframing::CASES,
        duplex::CASES,
        early::CASES,
        truncated::CASES,
        large::CASES,
    ])
}

/// `body` as chunks of these sizes in turn, without the last chunk.
fn chunks(body: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(body.len() + 64);
    let mut left = body;
    for size in sizes.iter().cycle() {
        let (chunk, rest) = left.split_at((*size).min(left.len()));
        if chunk.is_empty() {
            break;
        }
        raw.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        raw.extend_from_slice(chunk);
        raw.extend_from_slice(b"\r\n");
        left = rest;
    }
    raw
}

/// `body` chunked, to its end.
fn chunked(body: &[u8], sizes: &[usize]) -> Vec<u8> {
    [&chunks(body, sizes)[..], b"0\r\n\r\n"].concat()
}
