//! The one place where code outside the relay sees, and edits, a response head: between its parsing and its writing.

use std::fmt::Display;

use super::{date::HttpDate, local_reply::LocalReply, parse::head::HeadView, write::fields::put_sanitized_field};

/// Sees each final response head just before it is written for the client, and may edit its headers.
///
/// [`pump_with_hook`](super::pump_with_hook) calls it once per exchange at most: for the backend's response, a 101, or
/// a local reply. It is not called for interim responses (1xx), nor for an attempt that is retried: nothing of those
/// reaches the client as the response. It runs inside the pump, so it must not block.
pub trait ResponseHook {
    /// The current date, for a backend's response without one.
    fn date(&mut self) -> HttpDate;

    /// The head of `response` is about to be written.
    fn on_response_head(&mut self, response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>);
}

/// No hook, only the date.
impl<D: FnMut() -> HttpDate> ResponseHook for D {
    fn date(&mut self) -> HttpDate {
        self()
    }

    fn on_response_head(&mut self, _response: &ResponseInfo<'_>, _edits: &mut HeaderEdits<'_>) {}
}

/// A final response head before it is written.
#[derive(Debug, Clone, Copy)]
pub struct ResponseInfo<'a> {
    /// The status code.
    pub status: u16,
    /// The local reply, if the response does not come from a backend.
    pub local_reply: Option<&'a LocalReply>,
    head: Option<HeadView<'a>>,
}

impl<'a> ResponseInfo<'a> {
    pub(crate) fn of_backend(head: HeadView<'a>) -> Self {
        Self { status: head.status(), local_reply: None, head: Some(head) }
    }

    pub(crate) fn of_local_reply(reply: &'a LocalReply) -> Self {
        Self { status: reply.status, local_reply: Some(reply), head: None }
    }

    /// Whether the backend has sent a header with one of these names; case does not matter. Not in a local reply.
    pub fn has_header_of(&self, names: &[&str]) -> bool {
        let is_one = |theirs: &[u8]| names.iter().any(|name| theirs.eq_ignore_ascii_case(name.as_bytes()));
        self.head.is_some_and(|head| head.field_names().any(is_one))
    }

    /// The values of the backend's headers with this name, in order; case does not matter. None for a local reply.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.head.into_iter().flat_map(|head| head.fields());
        fields.filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

/// The edits of a response head. Framing and connection headers are the relay's and cannot be edited.
#[derive(Debug)]
pub struct HeaderEdits<'a> {
    pub(super) added: &'a mut Vec<u8>,
    pub(super) removed: &'a mut Vec<&'static str>,
}

impl HeaderEdits<'_> {
    /// Adds a header after those of the backend. CR, LF and NUL in the value become spaces (RFC 9110 §5.5), so that no
    /// value can start another header or response.
    ///
    /// # Panics
    /// In debug builds, if the header is one of the relay's own: Connection, Content-Length, Transfer-Encoding,
    /// Upgrade. In release builds such a header is ignored.
    pub fn add(&mut self, name: &'static str, value: impl Display) {
        debug_assert!(!is_relay_field(name), "{name} is the relay's");
        if !is_relay_field(name) {
            put_sanitized_field(self.added, name, value);
        }
    }

    /// Adds what `write` appends: complete header lines, `name: value` and CRLF. For headers of every response: nothing
    /// is formatted, copied or searched for line ends, so no part of them may come from a peer.
    ///
    /// # Panics
    /// In debug builds, if a line is not complete, or is one of the relay's own headers.
    pub fn add_lines(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.added.len();
        write(self.added);
        debug_assert!(are_complete_lines(&self.added[start..]), "{}", self.added[start..].escape_ascii());
    }

    /// Removes the backend's headers with this name; those that hooks add stay.
    ///
    /// # Panics
    /// As [`add`](Self::add).
    pub fn remove(&mut self, name: &'static str) {
        debug_assert!(!is_relay_field(name), "{name} is the relay's");
        self.removed.push(name);
    }
}

fn is_relay_field(name: &str) -> bool {
    ["Connection", "Content-Length", "Transfer-Encoding", "Upgrade"].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Whether these are complete header lines that a hook may add.
fn are_complete_lines(text: &[u8]) -> bool {
    let is_line = |line: &str| {
        let name = line.split_once(": ").map_or("", |(name, _)| name);
        !name.is_empty() && !is_relay_field(name) && !line.contains(['\r', '\n', '\0'])
    };
    let lines = str::from_utf8(text).ok().and_then(|text| text.strip_suffix("\r\n"));
    text.is_empty() || lines.is_some_and(|lines| lines.split("\r\n").all(is_line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_lines_are_complete_and_none_of_the_relays() {
        for text in ["", "A: b\r\n", "A: b\r\nC: \r\n"] {
            assert!(are_complete_lines(text.as_bytes()), "{text:?}");
        }
        for text in ["A: b", "A: b\r\n\r\n", "A: b\nC: d\r\n", "A\r\n", ": b\r\n", "connection: close\r\n", "A: \0\r\n"]
        {
            assert!(!are_complete_lines(text.as_bytes()), "{text:?}");
        }
    }
}
