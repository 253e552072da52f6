//! The HTTP/1.1 machine: heads, framing, one exchange, and no waiting.
//!
//! | you have | you want | see |
//! |---|---|---|
//! | bytes that may hold a head | its parts, checked | [`Head`], [`HeadView`], [`Refusal`] |
//! | bytes of a client, in pieces | its next request | [`Inbox`] |
//! | a request | the exchange it starts | [`Relay`], [`Forwarding`] |
//! | two sockets | the bytes moved | [`Wire`], [`pump`](pump()) |
//! | a client that encrypts | the machine's bytes | [`Layer`] |
//! | an error | a status, a retry, someone to blame | [`ProxyError`] |
//! | a finished exchange | its record, and what to do with its connections | [`Exchange`], [`AfterClient`], [`AfterBackend`] |
//!
//! The invariant: what a backend reads is what we read, and what a client reads ends where the backend
//! ended it. Three engines drive this module (threads, an event loop, `async`) and differ in how they wait.

mod body;
mod error;
mod exchange;
mod exchange_timeouts;
mod forwarding;
mod parse;
mod protocol_error;
mod pump;
mod relay;
mod request_buffer;
mod send_buffer;
mod stream_layer;
mod wants;
mod write;

pub use error::{FailureKind, Phase, ProxyError, Side};
pub use exchange::{
    AfterBackend, AfterClient, BackendId, Exchange, Failure, Method, NON_IDEMPOTENT_IDLE_LIMIT, PhaseTimes,
    RequestMeta, Version,
};
pub use exchange_timeouts::ExchangeTimeouts;
pub use forwarding::{ClientAddress, Forwarding};
pub use parse::request_target::ProxyRole;
pub use parse::{
    head::{Head, HeadView, MAX_FIELDS},
    head_end::MAX_HEAD_BYTES,
};
pub use protocol_error::ProtocolError;
pub use pump::{NoWire, Pumped, READ_BUFFER_BYTES, Wire, pump};
pub use relay::{Input, Relay};
pub use request_buffer::{ReceivedRequest, RequestBuffer};
pub use stream_layer::{Plaintext, StreamLayer};
pub use wants::{Interest, TimeoutKind, Wants};
pub use write::local_reply::reason_phrase;
