//! The types and traits that your answers and ours share, so that the same checks hold both.
//!
//! Leave this file as it is: what you promise is written here, how you keep it is yours.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A field of a head (2.2): its name, and its value without the blanks around it. A value need not be UTF-8.
pub type Field<'a> = (&'a str, &'a [u8]);

/// `Connection` names a field that the next hop cannot do without (2.2): routing or framing would be the client's to
/// remove. Holds which, spelled as here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Connection names {0}")]
pub struct NamesNeeded(pub &'static str);

/// The body is not in the chunked coding (2.3), and nothing that follows can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked body")]
pub struct Malformed;

/// A decoder of one chunked body (2.3), which is pushed what has arrived and never waits.
pub trait Dechunk {
    /// Reads on. Appends the data found to `out` and gives how many bytes of `input` belonged to the body: all of
    /// them, unless it ended before. After the end, none. An error is given with the first byte that is wrong, and
    /// again at each call after it; what `out` got before stays there.
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed>;

    /// Whether the last chunk, the trailers and the empty line after them have been read.
    fn is_complete(&self) -> bool;
}

/// What a file server answers (2.4). Whoever sends it adds the status line's rest and the date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The fields, in the order in which they are sent.
    pub fields: Vec<(&'static str, String)>,
    /// The bytes after the head: none for HEAD, whatever `Content-Length` says.
    pub body: Vec<u8>,
}

/// A request, as a cache looks at it (2.5).
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// The whole URI with scheme, host and query, as in `http://a/b?c`.
    pub uri: &'a str,
    /// All fields: name and value. The client's, so do not trust their number or their length.
    pub fields: &'a [(&'a str, &'a str)],
}

/// A response that came from the backend, whole (2.5). Hop-by-hop fields have been removed: exercise 2.2.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The status.
    pub status: u16,
    /// All fields: name and value.
    pub fields: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// A response in the store (2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The fields as they came, but for `Age`: whoever sends them writes the age of now.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What to ask the backend with whether a stored response is still good (2.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, for `If-None-Match`.
    pub etag: Option<String>,
    /// `Last-Modified`, for `If-Modified-Since`.
    pub last_modified: Option<String>,
}

/// What a store has for a request (2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Send this, without asking the backend.
    Fresh {
        /// The response.
        response: Arc<Stored>,
        /// How old it is, for the `Age` field.
        age: Duration,
    },
    /// There is one, and the backend has to say first whether it is still good. Holds at least one validator.
    Stale(Validators),
    /// There is none that could be used.
    Miss,
}

/// The store of a shared cache (2.5): it decides and remembers, and neither waits nor looks at the clock.
///
/// The proxy asks [`lookup`](Self::lookup) for each request; when it has to ask the backend, it gives the answer
/// to [`store`](Self::store).
pub trait Store {
    /// Whether the response may be kept and given to somebody else (RFC 9111 §3).
    fn may_store(&self, request: &Asked<'_>, response: &Answered<'_>) -> bool;

    /// Keeps the response, if it may and if it fits, in place of an older one for the same request; makes room by
    /// forgetting those that have not been used for longest.
    fn store(&mut self, request: &Asked<'_>, response: &Answered<'_>, now: SystemTime);

    /// What there is for this request. Being found, fresh or stale, counts as a use.
    fn lookup(&mut self, request: &Asked<'_>, now: SystemTime) -> Found;
}
