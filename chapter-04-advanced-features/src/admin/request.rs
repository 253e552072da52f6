//! A request to the admin API and its response, without a connection.
//!
//! The rest of HTTP (versions, framing, most headers) is the server's concern. A handler from one type to the other can
//! be tested as a table, and chapters 8 and 10 put theirs before this chapter's.

use serde::{Serialize, de::DeserializeOwned};

use super::event_stream::EventStream;

/// A request to the admin API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdminRequest {
    /// The method as sent, such as `GET`.
    pub method: String,
    /// The target's path as sent: it begins with `/` and is not percent-decoded.
    pub path: String,
    /// The query after the question mark; empty if there is none.
    pub query: String,
    /// The authority that the client addresses: the target's, or else the `Host` header.
    pub host: Option<String>,
    /// The `Accept` headers, joined with commas; empty if there are none.
    pub accept: String,
    /// The `Origin` header: the origin of the web page that sent the request, if one did.
    pub origin: Option<String>,
    /// The `Sec-Fetch-Site` header: the relation of that page to this site, as the browser reports it.
    pub sec_fetch_site: Option<String>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A response of the admin API.
#[derive(Debug)]
pub struct AdminResponse {
    /// The status code.
    pub status: u16,
    /// The methods that the resource allows; only with status 405.
    pub allow: Option<&'static str>,
    /// The media type of the body.
    pub content_type: &'static str,
    /// Further headers, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body, with a final newline for terminals.
    pub body: String,
    /// What follows the body as it comes: then the response ends when the client closes, the server shuts down, or its
    /// time is over.
    pub events: Option<EventStream>,
}

/// The media type of a JSON body.
const JSON: &str = "application/json";
/// The media type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

impl AdminRequest {
    /// The percent-decoded segments of the path; `None` if an escape is invalid or the result is not UTF-8.
    pub fn path_segments(&self) -> Option<Vec<String>> {
        self.path.strip_prefix('/')?.split('/').map(percent_decode).collect()
    }

    /// The percent-decoded pairs of the query. A name without `=` has an empty value.
    pub fn query_pairs(&self) -> Option<Vec<(String, String)>> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decode(name)?, percent_decode(value)?))
        };
        pairs.map(pair).collect()
    }

    /// Parses the body as JSON.
    ///
    /// # Errors
    /// Status 400 with the parse error and `example`, a valid body.
    pub fn parse_body<T: DeserializeOwned>(&self, example: &str) -> Result<T, AdminResponse> {
        let expected = |error| AdminResponse::error(400, format!("expected a body such as {example}: {error}"));
        serde_json::from_slice(&self.body).map_err(expected)
    }
}

impl AdminResponse {
    /// A response with this text, which is not JSON.
    pub fn text(status: u16, content_type: &'static str, body: String) -> Self {
        Self { status, allow: None, content_type, headers: Vec::new(), body, events: None }
    }

    /// A response of `first`, which may be several messages, and then those of `events`.
    pub fn events(first: String, events: EventStream) -> Self {
        Self { events: Some(events), ..Self::text(200, EVENT_STREAM, first) }
    }

    /// The same with a further header, whose name is in lower case.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A response with `value` as JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_string_pretty(value) {
            Ok(json) => Self::text(status, JSON, json + "\n"),
            Err(error) => Self::error(500, format!("cannot serialize the response: {error}")),
        }
    }

    /// An error response of one line: `{"error": "…"}`.
    pub fn error(status: u16, text: impl AsRef<str>) -> Self {
        // The text may quote the request: escape control characters, which could break the line or move a cursor.
        let visible = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let text = serde_json::Value::String(text.as_ref().chars().map(visible).collect());
        Self::text(status, JSON, format!("{{\"error\": {text}}}\n"))
    }

    /// A 405 response; `allow` lists the methods that the resource allows.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::error(405, format!("method not allowed; allowed: {allow}")) }
    }
}

/// Percent-decodes a text (RFC 3986 §2.1); `None` for `%` without two hex digits after it, or if the result is not
/// UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? * 16 + low?).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decodes_after_splitting_at_slashes() {
        for (path, expected) in [
            ("/", Some(vec![""])),
            ("/backends/127.0.0.1:9001/drain", Some(vec!["backends", "127.0.0.1:9001", "drain"])),
            ("/backends/%5b::1%5D:9001", Some(vec!["backends", "[::1]:9001"])),
            ("/a%2fb", Some(vec!["a/b"])),
            ("/a//b/", Some(vec!["a", "", "b", ""])),
            ("*", None),
            ("", None),
            ("/%", None),
            ("/%4", None),
            ("/%+1", None),
            ("/%zz", None),
            ("/%ff", None),
        ] {
            let request = AdminRequest { path: path.into(), ..AdminRequest::default() };
            let expected: Option<Vec<String>> =
                expected.map(|segments| segments.into_iter().map(str::to_owned).collect());
            assert_eq!(request.path_segments(), expected, "{path}");
        }
    }

    #[test]
    fn splits_a_query_into_pairs() {
        let request = AdminRequest { query: "group=a%2Db&&force&x=1=2".into(), ..AdminRequest::default() };
        let pairs = [("group", "a-b"), ("force", ""), ("x", "1=2")];
        assert_eq!(request.query_pairs().unwrap(), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn an_error_is_one_line_of_json() {
        let response = AdminResponse::error(400, "a \"quoted\"\nline");
        let json: serde_json::Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(json["error"], "a \"quoted\"\\nline");
    }
}
