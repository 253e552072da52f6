//! From a parsed head to the bytes that go on.
//!
//! A head is never forwarded as it came: it is serialised from what was parsed, so that the next hop reads what we
//! read. Here stand the request head for a backend, the response head for a client, and local replies. Nothing in this
//! folder parses, and nothing decides: framing and connection handling arrive as arguments.

pub(crate) mod fields;
pub(crate) mod local_reply;
pub(crate) mod request_head;
pub(crate) mod response_head;
