//! Message bodies: decoded from the framing in which they arrive, and encoded in the framing for the next hop.
//!
//! Content-Length is kept, chunked is re-chunked, and a close-delimited body becomes chunked for HTTP/1.1 clients (RFC
//! 9112 §6, §7). This module has the state of a body; [`relay`](super::relay) decides which framing applies. It knows
//! neither heads nor sockets.

mod chunked;
mod reframe;

pub(crate) use reframe::{BodyDecoder, BodyEncoder};
