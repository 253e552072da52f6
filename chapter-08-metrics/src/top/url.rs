//! The address of an admin interface.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Uri;

use super::change::Change;

/// The URL of a balancer's admin interface, such as `http://127.0.0.1:9900`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminUrl {
    /// Host and port.
    authority: String,
}

/// All but what a path and a query may hold as it is (RFC 3986, unreserved characters).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl AdminUrl {
    /// Where the document is.
    pub fn document(&self) -> String {
        format!("{self}/live.json")
    }

    /// Where a change is asked for.
    pub fn change(&self, change: &Change) -> String {
        let name = utf8_percent_encode(&change.backend.name, ESCAPED);
        let group = utf8_percent_encode(&change.backend.group, ESCAPED);
        format!("{self}/backends/{name}/{}?group={group}", change.kind.word())
    }
}

impl fmt::Display for AdminUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl FromStr for AdminUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected the URL of an admin interface, such as http://127.0.0.1:9900";
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = full.parse().map_err(|error| format!("{expected}: {error}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            // It listens on loopback; from elsewhere it is reached through a tunnel, which encrypts.
            Some("https") => return Err(format!("{expected}; it does not speak https")),
            _ => return Err(expected.to_owned()),
        }
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.filter(|authority| !authority.host().is_empty()).ok_or(expected)?;
        // A port that is none is not seen as a port.
        let is_port_valid = authority.port_u16().is_some() || authority.as_str() == authority.host();
        // What is fetched is known, so a path would be ignored.
        if !is_port_valid || !matches!(uri.path(), "" | "/" | "/live.json") || uri.query().is_some() {
            return Err(format!("{expected}: with a port from 0 to 65535, and without a path"));
        }
        Ok(Self { authority: authority.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::change::{BackendPath, ChangeKind};

    #[test]
    fn a_url_is_that_of_an_admin_interface() {
        for (text, expected) in [
            ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("http://127.0.0.1:9900/", "http://127.0.0.1:9900"),
            ("HTTP://localhost:9900/live.json", "http://localhost:9900"),
            ("localhost:9900", "http://localhost:9900"),
            ("[::1]:9900", "http://[::1]:9900"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(text.parse::<AdminUrl>().map(|url| url.to_string()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_a_usage_error() {
        for text in [
            "",
            "http://",
            "https://127.0.0.1:9900",
            "ftp://127.0.0.1",
            "http://user@127.0.0.1:9900",
            "127.0.0.1:99000",
            "127.0.0.1:port",
            "http://127.0.0.1:9900/metrics",
            "http://127.0.0.1:9900/?a=b",
            "http://127.0.0.1:9900\r\nA: b",
            "::1:9900",
            "a b",
            "\u{1b}[2J",
        ] {
            let error = text.parse::<AdminUrl>().expect_err(text);
            assert!(error.starts_with("expected the URL of an admin interface"), "{text:?}: {error}");
        }
    }

    #[test]
    fn names_in_a_path_are_encoded() {
        let url: AdminUrl = "127.0.0.1:9900".parse().unwrap();
        let backend = BackendPath { group: "a&b=ü".into(), name: "[::1]:9001/../x?y#z".into() };
        assert_eq!(
            url.change(&Change { kind: ChangeKind::Drain, backend }),
            "http://127.0.0.1:9900/backends/%5B%3A%3A1%5D%3A9001%2F..%2Fx%3Fy%23z/drain?group=a%26b%3D%C3%BC"
        );
    }
}
