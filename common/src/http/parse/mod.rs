//! Parsing and validating heads.
//!
//! The end of a head is found, `httparse` tokenises it, and it is then held to the rules of an edge proxy: line
//! endings, framing, `Host`, the request target (RFC 9110, RFC 9112). A head that two parsers could read in two ways is
//! a [`ProtocolError`](super::ProtocolError) here and nowhere later. This module writes no bytes, keeps no state
//! between two messages and knows no exchange.

pub(crate) mod byte_set;
pub(crate) mod field_name;
pub(crate) mod head;
pub(crate) mod head_end;
pub(crate) mod message_info;
pub(crate) mod request_target;
