//! Finds the end of a head, and checks what `httparse` leaves open about it.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::http::protocol_error::ProtocolError;

/// Maximum size of a head in bytes, start line and empty line included. HAProxy has 16 KiB, nginx 4 × 8 KiB.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The end of a head.
static EMPTY_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// Offsets into the caller's buffer; 32 KiB fit into a u16.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl Span {
    /// The position of `part` in `whole`. An empty part may be anywhere (`httparse` uses a static one).
    pub(crate) fn locate(part: &[u8], whole: &[u8]) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let start = part.as_ptr() as usize - whole.as_ptr() as usize;
        Self::new(start, start + part.len())
    }

    pub(crate) fn new(start: usize, end: usize) -> Self {
        let fits = |offset: usize| u16::try_from(offset).expect("a head is at most MAX_HEAD_BYTES long");
        Self { start: fits(start), end: fits(end) }
    }

    pub(crate) fn get(self, bytes: &[u8]) -> &[u8] {
        &bytes[usize::from(self.start)..usize::from(self.end)]
    }
}

/// At most the size of a head.
pub(crate) fn truncate_to_limit(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(MAX_HEAD_BYTES)]
}

/// Finds the empty line that ends a head, starting at `scanned`. Every line must end in CRLF, in responses too: RFC
/// 9112 §2.2 allows leniency, but one rule for both sides is simpler than leniency towards backends alone.
pub(crate) fn find_head_end(bytes: &[u8], start: usize, scanned: &mut usize) -> Result<Option<usize>, ProtocolError> {
    let limit = bytes.len().min(MAX_HEAD_BYTES);
    let from = (*scanned).clamp(start, limit);
    let end = EMPTY_LINE.find(&bytes[from..limit]).map(|found| from + found + EMPTY_LINE.needle().len());
    if has_bare_lf(&bytes[from..end.unwrap_or(limit)]) {
        return Err(ProtocolError::BareLf);
    }
    if end.is_some() {
        return Ok(end);
    }
    // A part of the empty line may have arrived; the next search includes it.
    *scanned = from.max((limit + 1).saturating_sub(EMPTY_LINE.needle().len()));
    if bytes.len() < MAX_HEAD_BYTES {
        return Ok(None);
    }
    let line_ended = memchr::memchr(b'\n', &bytes[start..limit]).is_some();
    Err(if line_ended { ProtocolError::HeadTooLarge } else { ProtocolError::TargetTooLong })
}

/// Whether a line ends in LF alone. The first byte cannot be one: it begins a head, or has been checked before. There
/// is no branch per byte, so that the compiler can vectorise the loop.
fn has_bare_lf(bytes: &[u8]) -> bool {
    let Some((_, after)) = bytes.split_first() else { return false };
    let is_bare = |(before, byte): (&u8, &u8)| u8::from(*byte == b'\n') & u8::from(*before != b'\r');
    bytes.iter().zip(after).map(is_bare).fold(0, |found, bare| found | bare) != 0
}

/// Translates the result of `httparse` for a head at the start of `bytes`. Returns where it ends, or `None` if it is
/// incomplete.
pub(crate) fn map_parse_result(parsed: httparse::Result<usize>, bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
    match parsed {
        Ok(httparse::Status::Complete(length)) if has_bare_lf(&bytes[..length]) => Err(ProtocolError::BareLf),
        Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(ProtocolError::TooManyFields),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => Err(ProtocolError::FieldLine),
        Err(httparse::Error::Version) if has_unsupported_version(bytes) => Err(ProtocolError::Version),
        Err(_) => Err(ProtocolError::StartLine),
    }
}

/// Whether the first line has three words and the last is another HTTP version: the status is then 505.
fn has_unsupported_version(bytes: &[u8]) -> bool {
    let mut words = bytes.split(|byte| *byte == b'\r').next().unwrap_or(bytes).split(|byte| *byte == b' ');
    let (_, _, version, more) = (words.next(), words.next(), words.next(), words.next());
    let digits = |major: u8, minor: u8| major.is_ascii_digit() && minor.is_ascii_digit();
    more.is_none()
        && matches!(version, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]) if digits(*major, *minor))
}

/// The reason phrase of a well-formed status line. `httparse` drops one that is not ASCII.
pub(crate) fn reason_phrase_span(bytes: &[u8]) -> Span {
    let end = memchr::memchr(b'\r', bytes).unwrap_or(0);
    Span::new(end.min("HTTP/1.1 200 ".len()), end)
}
