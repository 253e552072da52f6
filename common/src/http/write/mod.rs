//! Writing heads.
//!
//! A head is never forwarded as received: it is serialised from the parsed one, so that the next hop reads what we
//! read. This module writes the request head for a backend, the response head for a client, and local replies. It does
//! not parse, and it makes no decisions: framing and connection handling are arguments.

pub(crate) mod fields;
pub(crate) mod local_reply;
pub(crate) mod request_head;
pub(crate) mod response_head;
