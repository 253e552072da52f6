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

mod answer;
mod body;
mod byte_set;
mod chunked;
mod error;
mod exchange;
mod facts;
mod forward;
mod head;
mod inbox;
mod lane;
mod layer;
mod name;
mod patience;
mod pump;
mod refusal;
mod relay;
mod response_head;
mod scan;
mod target;
mod wants;
mod writing;

pub use answer::reason;
pub use error::{Kind, Phase, ProxyError, Side};
pub use exchange::{AfterBackend, AfterClient, Ask, BackendId, Exchange, Failure, Method, Times};
pub use forward::{ClientAddress, Forwarding};
pub use head::{Head, HeadView, MAX_FIELDS, MAX_HEAD_BYTES, Version};
pub use inbox::{Inbox, Received};
pub use layer::{Layer, Plain};
pub use patience::Patience;
pub use pump::{NoWire, Pumped, Wire, pump};
pub use refusal::Refusal;
pub use relay::{Input, Relay};
pub use target::Role;
pub use wants::{Deadline, Interest, Wants};
