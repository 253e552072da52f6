//! Where a head ends, and what `httparse` leaves open about it.

use super::{head::MAX_HEAD_BYTES, refusal::Refusal};

/// Offsets into the caller's buffer; 32 KiB fit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Span {
    /// Where `part` lies in `whole`. An empty part may lie anywhere (`httparse` uses a static one).
    pub(super) fn of(part: &[u8], whole: &[u8]) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let start = part.as_ptr() as usize - whole.as_ptr() as usize;
        Self::new(start, start + part.len())
    }

    pub(super) fn new(start: usize, end: usize) -> Self {
        let fits = |offset: usize| u16::try_from(offset).expect("a head is at most MAX_HEAD_BYTES long");
        Self { start: fits(start), end: fits(end) }
    }

    pub(super) fn get(self, bytes: &[u8]) -> &[u8] {
        &bytes[usize::from(self.start)..usize::from(self.end)]
    }
}

/// Finds the empty line that ends a head, from `scanned` on. Every line must end in CRLF.
pub(super) fn find_end(bytes: &[u8], start: usize, scanned: &mut usize) -> Result<Option<usize>, Refusal> {
    let limit = bytes.len().min(MAX_HEAD_BYTES);
    *scanned = (*scanned).max(start);
    while let Some(found) = bytes.get(*scanned..limit).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let lf = *scanned + found;
        if lf == start || bytes[lf - 1] != b'\r' {
            return Err(Refusal::BareLf);
        }
        *scanned = lf + 1;
        if lf >= start + 2 && bytes[lf - 2] == b'\n' {
            return Ok(Some(lf + 1));
        }
    }
    *scanned = limit.max(*scanned);
    if bytes.len() < MAX_HEAD_BYTES {
        return Ok(None);
    }
    let line_ended = memchr::memchr(b'\n', &bytes[start..limit]).is_some();
    Err(if line_ended { Refusal::HeadTooLarge } else { Refusal::TargetTooLong })
}

/// Translates what `httparse` says of a head that is known to end where `bytes` does.
pub(super) fn whole(parsed: httparse::Result<usize>, bytes: &[u8]) -> Result<(), Refusal> {
    match parsed {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::TooManyFields),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => Err(Refusal::FieldLine),
        Err(httparse::Error::Version) if names_a_version(bytes) => Err(Refusal::Version),
        Err(_) | Ok(httparse::Status::Partial) => Err(Refusal::StartLine),
    }
}

/// Whether the first line is of three words, the last of them another version: then 505 is the honest answer.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let mut words = line.split(|byte| *byte == b'\r').next().unwrap_or(line).split(|byte| *byte == b' ');
    let (_, _, version, more) = (words.next(), words.next(), words.next(), words.next());
    let digits = |major: u8, minor: u8| major.is_ascii_digit() && minor.is_ascii_digit();
    more.is_none()
        && matches!(version, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]) if digits(*major, *minor))
}

/// The reason phrase of a status line that is known to be well-formed. `httparse` drops one that is not ASCII.
pub(super) fn reason(bytes: &[u8]) -> Span {
    let end = memchr::memchr(b'\r', bytes).unwrap_or(0);
    Span::new(end.min("HTTP/1.1 200 ".len()), end)
}
