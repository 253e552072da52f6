//! The types and traits that your solutions and ours share, so that the same checks run on both.
//!
//! Do not change this file: it is the contract; the implementation is yours.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A header (2.2): its name, and its value without surrounding spaces and tabs. A value may be invalid UTF-8. RFC 9110
/// calls headers and trailers fields.
pub type Field<'a> = (&'a str, &'a [u8]);

/// A connection option that is not allowed (2.2; RFC 9110 §7.6.1): `Connection` names a header that the next hop needs
/// for routing or framing. Holds the canonical name of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Connection must not name {0}")]
pub struct ForbiddenConnectionOption(pub &'static str);

/// The body is not valid chunked coding (2.3), so nothing after it can be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked body")]
pub struct MalformedBody;

/// A push decoder for one chunked body (2.3): it gets the bytes that have arrived, and never blocks.
pub trait ChunkedDecoder {
    /// Decodes `input`, appends the data to `out`, and returns how many bytes of `input` belong to the body: all of
    /// them, unless the body ends before; 0 after the end. The first malformed byte is an error, and so is each later
    /// call; data that was appended before the error stays in `out`.
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, MalformedBody>;

    /// Whether the last chunk, the trailers and the empty line after them have been read.
    fn is_complete(&self) -> bool;
}

/// The response of a file server (2.4). Its sender adds the rest of the status line and the date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, in the order in which they are sent.
    pub fields: Vec<(&'static str, String)>,
    /// The bytes after the head: none for HEAD, whatever `Content-Length` says.
    pub body: Vec<u8>,
}

/// The parts of a request that a cache uses (2.5).
#[derive(Debug, Clone, Copy)]
pub struct CacheRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The whole URI with scheme, host and query, as in `http://a/b?c`.
    pub uri: &'a str,
    /// All headers: name and value. They come from the client, so do not trust their number or length.
    pub fields: &'a [(&'a str, &'a str)],
}

/// A complete response from the backend (2.5). Hop-by-hop headers have been removed: exercise 2.2.
#[derive(Debug, Clone, Copy)]
pub struct BackendResponse<'a> {
    /// The status code.
    pub status: u16,
    /// All headers: name and value.
    pub fields: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// A response in the store (2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// The headers as received, without `Age`: the sender of the response adds the current age.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The validators for a conditional request to the backend (2.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, for `If-None-Match`.
    pub etag: Option<String>,
    /// `Last-Modified`, for `If-Modified-Since`.
    pub last_modified: Option<String>,
}

/// The result of a lookup in the store (2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupResult {
    /// A fresh response: send it without asking the backend.
    Fresh {
        /// The response.
        response: Arc<StoredResponse>,
        /// The response's age, for the `Age` header.
        age: Duration,
    },
    /// A stale response: the backend must validate it first. Holds at least one validator.
    Stale(Validators),
    /// No usable response.
    Miss,
}

/// The store of a shared cache (2.5). It does no I/O, and gets the time from its caller.
///
/// The proxy calls [`lookup`](Self::lookup) for each request; when it has to ask the backend, it passes the response
/// to [`store`](Self::store).
pub trait Store {
    /// Whether the response may be stored and reused for other clients (RFC 9111 §3).
    fn may_store(&self, request: &CacheRequest<'_>, response: &BackendResponse<'_>) -> bool;

    /// Stores the response, if it may be stored and if it fits. It replaces an older one for the same request; the
    /// least recently used responses are evicted to make room.
    fn store(&mut self, request: &CacheRequest<'_>, response: &BackendResponse<'_>, now: SystemTime);

    /// Finds a stored response for this request. Finding one, fresh or stale, counts as a use.
    fn lookup(&mut self, request: &CacheRequest<'_>, now: SystemTime) -> LookupResult;
}
