//! Message bodies: decoded by the framing they came in, encoded in the framing that the next hop understands.
//!
//! Content-Length stays what it was, chunked is re-chunked, and a body that ends with its connection becomes chunked
//! for HTTP/1.1 clients (RFC 9112 §6, §7). The state of a body lives here; which framing applies is decided by
//! [`relay`](super::relay). No heads, and no sockets.

mod chunked;
mod transcode;

pub(crate) use transcode::{BodyDecoder, BodyEncoder};
