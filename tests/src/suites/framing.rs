//! Suite `framing`: bodies of every kind, in both directions, byte for byte and in bounded memory.

pub(super) mod bodies;
pub(super) mod duplex;
pub(super) mod early;
pub(super) mod large;
pub(super) mod reframing;
pub(super) mod splits;
pub(super) mod truncated;

/// `body` in chunks that cycle through these sizes, without the last chunk.
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

/// `body` in chunks, with the last chunk.
fn chunked(body: &[u8], sizes: &[usize]) -> Vec<u8> {
    [&chunks(body, sizes)[..], b"0\r\n\r\n"].concat()
}
