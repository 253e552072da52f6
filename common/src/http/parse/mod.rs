//! From bytes to a checked head.
//!
//! A head is found, tokenised by `httparse`, and then held to an edge's rules: line endings, framing, `Host`, the
//! request target (RFC 9110, RFC 9112). What can be read in two ways is a
//! [`ProtocolError`](super::ProtocolError) here and nowhere later. Nothing in this folder writes bytes, keeps state
//! between two messages or knows what an exchange is.

pub(crate) mod byte_set;
pub(crate) mod field_name;
pub(crate) mod head;
pub(crate) mod head_end;
pub(crate) mod message_info;
pub(crate) mod request_target;
