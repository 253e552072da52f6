//! HTTP/1.1 without I/O: heads, framing, and the exchange of one request and its response.
//!
//! | you have | you want | see |
//! |---|---|---|
//! | bytes that may hold a head | the parsed and validated head | [`Head`], [`HeadView`], [`ProtocolError`] |
//! | bytes of a client, in pieces | its next request | [`RequestBuffer`] |
//! | a request | its exchange | [`Relay`], [`Forwarding`] |
//! | two sockets | to move bytes between them | [`Wire`], [`pump`](pump()) |
//! | a response of our own | to send it | [`LocalReply`], [`Relay::send_local_reply`] |
//! | a response of a backend | to see or edit its head | [`ResponseHook`], [`HeaderEdits`] |
//! | an encrypted client connection | plaintext | [`StreamLayer`] |
//! | a large body | to move it from socket to socket | [`Relay::splice_bodies_from`], [`SplicedBody`] |
//! | a client with a limit on its bandwidth | to move no more than that | [`Throttle`], [`pump_throttled`] |
//! | an error | a status code, the failed side, whether to retry | [`ProxyError`] |
//! | a finished exchange | its record, and what to do with its connections | [`Exchange`], [`AfterClient`], [`AfterBackend`] |
//!
//! The invariant: a backend reads a message exactly as we read it, and a client sees it end exactly where the backend
//! ended it. RFC 9110 calls a header a *field*, and so do the names of this module. Three engines drive it (threads, an
//! event loop, `async`); they differ in how they wait.

mod body;
mod date;
mod error;
mod exchange;
mod exchange_timeouts;
mod forwarding;
mod local_reply;
mod parse;
mod protocol_error;
mod pump;
mod relay;
mod request_buffer;
mod response_hook;
mod send_buffer;
mod stream_layer;
mod throttle;
mod wants;
mod write;

pub use date::{DateCache, HttpDate};
pub use error::{FailureKind, Phase, ProxyError, Side};
pub use exchange::{
    AfterBackend, AfterClient, BackendId, Exchange, ExchangeFailure, GroupId, LimitId, Method, PhaseTimes, RequestMeta,
    RouteId, Version,
};
pub use exchange_timeouts::ExchangeTimeouts;
pub use forwarding::{ClientAddress, Forwarding};
pub use local_reply::{LocalReply, LocalReplyBody};
pub use parse::request_target::ProxyRole;
pub use parse::{
    head::{Head, HeadView, MAX_FIELDS},
    head_end::MAX_HEAD_BYTES,
};
pub use protocol_error::ProtocolError;
pub use pump::{NoWire, Pumped, READ_BUFFER_BYTES, Wire, pump, pump_with_hook};
pub use relay::{Input, Relay, SplicedBody};
pub use request_buffer::{ReceivedRequest, RequestBuffer};
pub use response_hook::{HeaderEdits, ResponseHook, ResponseInfo};
pub use stream_layer::{Plaintext, StreamLayer};
pub use throttle::{ConnectionThrottle, Direction, Pause, Reservation, Throttle, ThrottledWire, pump_throttled};
pub use wants::{Interest, TimeoutKind, Wants};
pub use write::local_reply::{reason_phrase, write_local_reply};
