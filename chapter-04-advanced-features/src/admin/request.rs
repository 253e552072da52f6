//! A request to the admin interface and its response, without a connection.
//!
//! What HTTP has more than this (versions, framing, most fields) is the server's business. A handler that takes one
//! and gives the other can be tested as a table, and chapters 8 and 10 put theirs before this chapter's.

use serde::{Serialize, de::DeserializeOwned};

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdminRequest {
    /// Such as `GET`, as written.
    pub method: String,
    /// The target's path, as written: it begins with `/`, and percent signs stand for themselves.
    pub path: String,
    /// What stands behind its question mark, if anything does.
    pub query: String,
    /// The authority that the client believes to talk to: the target's, or else the `Host` field.
    pub host: Option<String>,
    /// The `Origin` field: the web page that asks, if one does.
    pub origin: Option<String>,
    /// The `Sec-Fetch-Site` field: what the browser says about that page.
    pub sec_fetch_site: Option<String>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminResponse {
    /// The status code.
    pub status: u16,
    /// The methods that the resource takes; with status 405 only.
    pub allow: Option<&'static str>,
    /// The body: JSON, and a newline for the reader at a terminal.
    pub body: String,
}

impl AdminRequest {
    /// The segments of the path with their percent signs resolved; `None` where they make no text.
    pub fn path_segments(&self) -> Option<Vec<String>> {
        self.path.strip_prefix('/')?.split('/').map(percent_decode).collect()
    }

    /// The pairs of the query with their percent signs resolved. A name without `=` has an empty value.
    pub fn query_pairs(&self) -> Option<Vec<(String, String)>> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decode(name)?, percent_decode(value)?))
        };
        pairs.map(pair).collect()
    }

    /// The body as what it is to be.
    ///
    /// # Errors
    /// Status 400 with what is wrong with it and `example`, which shows what was expected.
    pub fn parse_body<T: DeserializeOwned>(&self, example: &str) -> Result<T, AdminResponse> {
        let expected = |error| AdminResponse::error(400, format!("expected a body such as {example}: {error}"));
        serde_json::from_slice(&self.body).map_err(expected)
    }
}

impl AdminResponse {
    /// A response that shows `value`.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_string_pretty(value) {
            Ok(json) => Self { status, allow: None, body: json + "\n" },
            Err(error) => Self::error(500, format!("cannot serialize the response: {error}")),
        }
    }

    /// A response that says in one line what is wrong: `{"error": "…"}`.
    pub fn error(status: u16, text: impl AsRef<str>) -> Self {
        // Part of it may be what was sent: it must neither leave its line nor move a terminal's cursor.
        let visible = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let text = serde_json::Value::String(text.as_ref().chars().map(visible).collect());
        Self { status, allow: None, body: format!("{{\"error\": {text}}}\n") }
    }

    /// A response to a method that the resource does not take; `allow` lists those that it takes.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::error(405, format!("method not allowed; allowed: {allow}")) }
    }
}

/// Percent signs resolved (RFC 3986 §2.1); `None` for one without two hex digits behind it, or if no text comes out.
fn percent_decode(text: &str) -> Option<String> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? * 16 + low?).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_resolved_behind_the_slashes() {
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
    fn a_query_is_pairs() {
        let request = AdminRequest { query: "group=a%2Db&&force&x=1=2".into(), ..AdminRequest::default() };
        let pairs = [("group", "a-b"), ("force", ""), ("x", "1=2")];
        assert_eq!(request.query_pairs().unwrap(), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn an_error_is_one_line_of_json_whatever_it_says() {
        let response = AdminResponse::error(400, "a \"quoted\"\nline");
        let json: serde_json::Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(json["error"], "a \"quoted\"\\nline");
    }
}
