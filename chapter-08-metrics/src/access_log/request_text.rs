//! What is kept of a request's head until its end: the head itself is gone when the request is sent.
//!
//! The texts are copied into one buffer, which lives in the recycled memory of requests: copying them allocates nothing
//! once the buffer has grown. Each is cut at [`MAX_TEXT_BYTES`], so that a client cannot choose how much memory its line
//! takes.

use std::net::IpAddr;

use common::http::Version;
use connection_pooling::{RequestId, RequestInfo};

/// The longest text. A longer one is cut, and ends with `...`.
pub const MAX_TEXT_BYTES: usize = 2_048;
/// A buffer that has grown beyond this is not kept for the next request.
const MAX_KEPT_BYTES: usize = 4_096;
const CUT: &[u8] = b"...";
/// What a query becomes if queries are not to be logged.
const REDACTED: &[u8] = b"[redacted]";

/// A text of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// The method.
    Method,
    /// The host, in lower case and without a port.
    Host,
    /// The path, as it was received.
    Path,
    /// The query, without the question mark.
    Query,
    /// The header `User-Agent`.
    UserAgent,
    /// The header `Referer`.
    Referer,
    /// The id of a trusted proxy.
    RequestId,
}

const TEXTS: usize = 7;

/// What a log wants to know of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Capture {
    /// The header `Referer`.
    pub referer: bool,
    /// No queries, in no URL.
    pub redact_query: bool,
}

/// What is kept of a request's head.
#[derive(Debug, Default)]
pub struct RequestText {
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: [u16; TEXTS],
    /// What is not text; `None` for an invalid head.
    pub head: Option<HeadFacts>,
}

/// What is kept of a head besides texts.
#[derive(Clone, Copy, Debug)]
pub struct HeadFacts {
    /// The client's address: the peer's, or the one that a trusted proxy reports.
    pub client: IpAddr,
    /// The version of HTTP.
    pub version: Version,
    /// The balancer's own id of the request; `None` if a trusted proxy has given it one.
    pub own_id: Option<u128>,
}

impl RequestText {
    /// Keeps what `capture` asks for of a request.
    pub fn capture(&mut self, request: &RequestInfo<'_>, capture: Capture) {
        let (path, query) = request.split_target();
        let query = query.unwrap_or_default();
        let header = |name| request.header_values(name).next().unwrap_or_default();
        let (own_id, received_id) = match request.request_id() {
            RequestId::Own(id) => (Some(id), &b""[..]),
            RequestId::Received(id) => (None, id),
        };
        self.bytes.clear();
        self.push(Text::Method, request.method());
        self.push(Text::Host, request.host());
        self.push(Text::Path, if path.is_empty() { b"/" } else { path }); // RFC 9112 §3.2.1
        self.push(Text::Query, if capture.redact_query && !query.is_empty() { REDACTED } else { query });
        self.push(Text::UserAgent, header("user-agent"));
        let referer = if capture.referer { header("referer") } else { b"" };
        match memchr::memchr(b'?', referer).filter(|_| capture.redact_query) {
            Some(mark) => self.push(Text::Referer, &[&referer[..=mark], REDACTED].concat()),
            None => self.push(Text::Referer, referer),
        }
        self.push(Text::RequestId, received_id);
        self.head = Some(HeadFacts { client: request.client, version: request.version(), own_id });
    }

    /// Texts are pushed in the order of [`Text`].
    fn push(&mut self, text: Text, value: &[u8]) {
        if value.is_empty() {
            // Its end is that of the text before.
        } else if value.len() <= MAX_TEXT_BYTES {
            self.bytes.extend_from_slice(value);
        } else {
            self.bytes.extend_from_slice(&value[..MAX_TEXT_BYTES - CUT.len()]);
            self.bytes.extend_from_slice(CUT);
        }
        self.ends[text as usize] = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX); // at most 7 * 2,048
    }

    /// A text; empty if the request has none.
    pub fn get(&self, text: Text) -> &[u8] {
        let index = text as usize;
        let begin = if index == 0 { 0 } else { usize::from(self.ends[index - 1]) };
        &self.bytes[begin..usize::from(self.ends[index])]
    }

    /// Forgets the request.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_KEPT_BYTES);
        (self.ends, self.head) = ([0; TEXTS], None);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use common::http::Head;

    use super::*;

    fn captured(text: &mut RequestText, head: &str, capture: Capture, trusted: bool) {
        let bytes = [head, "\r\n\r\n"].concat().into_bytes();
        let mut head = Head::new();
        assert_eq!(head.read_request(&bytes, &mut 0), Ok(Some(bytes.len())));
        let mut request = RequestInfo::new(head.view(&bytes), Ipv4Addr::LOCALHOST.into());
        request.set_request_id(7, trusted);
        text.capture(&request, capture);
    }

    fn texts(text: &RequestText) -> [String; TEXTS] {
        use Text::{Host, Method, Path, Query, Referer, RequestId, UserAgent};
        [Method, Host, Path, Query, UserAgent, Referer, RequestId]
            .map(|part| String::from_utf8_lossy(text.get(part)).into_owned())
    }

    const HEAD: &str = "GET /a;b//../c?token=1&x HTTP/1.1\r\nHost: WWW.Example.com:80\r\nUser-Agent: curl/8\r\n\
                        X-Request-ID: theirs\r\nReferer: http://a/b?secret";

    #[test]
    fn texts_are_kept_as_they_came() {
        let mut text = RequestText::default();
        let all = Capture { referer: true, redact_query: false };
        captured(&mut text, HEAD, all, false);
        let expected = ["GET", "www.example.com", "/a;b//../c", "token=1&x", "curl/8", "http://a/b?secret", ""];
        assert_eq!((texts(&text), text.head.unwrap().own_id), (expected.map(String::from), Some(7)));
        captured(&mut text, HEAD, Capture::default(), true);
        let expected = ["GET", "www.example.com", "/a;b//../c", "token=1&x", "curl/8", "", "theirs"];
        assert_eq!((texts(&text), text.head.unwrap().own_id), (expected.map(String::from), None));
        captured(&mut text, "GET http://b HTTP/1.0", all, false);
        assert_eq!(texts(&text), ["GET", "b", "/", "", "", "", ""].map(String::from));
        text.clear();
        assert!(texts(&text).concat().is_empty() && text.head.is_none());
    }

    #[test]
    fn a_redacted_query_is_in_no_text() {
        let mut text = RequestText::default();
        captured(&mut text, HEAD, Capture { referer: true, redact_query: true }, false);
        assert_eq!((text.get(Text::Query), text.get(Text::Referer)), (REDACTED, &b"http://a/b?[redacted]"[..]));
        assert!(!texts(&text).concat().contains("token") && !texts(&text).concat().contains("secret"));
        captured(&mut text, "GET / HTTP/1.1\r\nHost: a", Capture { referer: true, redact_query: true }, false);
        assert_eq!((text.get(Text::Query), text.get(Text::Referer)), (&b""[..], &b""[..]), "there was none");
    }

    #[test]
    fn a_long_text_is_cut_and_its_memory_given_back() {
        let mut text = RequestText::default();
        let agent = "a".repeat(10_000);
        captured(
            &mut text,
            &format!("GET /{agent} HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}"),
            Capture::default(),
            false,
        );
        for part in [Text::Path, Text::UserAgent] {
            assert_eq!(text.get(part).len(), MAX_TEXT_BYTES);
            assert!(text.get(part).ends_with(b"aaa..."));
        }
        text.clear();
        assert!(text.bytes.capacity() <= MAX_KEPT_BYTES);
    }
}
