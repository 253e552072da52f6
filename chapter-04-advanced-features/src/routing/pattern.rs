//! Host and path patterns of rules.
//!
//! | pattern | matches | does not match |
//! |---|---|---|
//! | `a.example` | `a.example`, `A.Example:8080`, `a.example.` | `x.a.example` |
//! | `*.a.example` | `x.a.example`, `x.y.a.example` | `a.example` |
//! | `/api` | `/api`, `//api` | `/api/`, `/apix` |
//! | `/api/*` | `/api`, `/api/`, `/api/v1` | `/apix` |
//! | `*.png` | `/logo.png`, `/a/b.png` | `/logo.png/`, `/logo.PNG` |
//! | `/a;v=1/*` | `/a;v=1/b` | `/a/b`, `/a;v=2/b` |
//!
//! A path is matched without the parameters of its segments, as Tomcat and Spring read it (`/api;v=1` is `/api`),
//! unless the pattern has one.
//!
//! Precedence, the most specific first: exact before a wildcard, exact before prefix before suffix, among equals the
//! longer. No regular expressions: one that is not anchored at both ends is the classic hole of routing by path, and an
//! expression with bounded run time is hard to tell from one without.

use std::{borrow::Cow, fmt, net::Ipv6Addr, str::FromStr};

use super::path::{self, PathError};

/// The host of an authority, in lower case, without the port and without the trailing dot of an absolute name.
pub(crate) fn canonical_host(authority: &[u8]) -> Cow<'_, [u8]> {
    // A colon inside `[::1]` does not start the port.
    let colon = authority.iter().rposition(|byte| *byte == b':').filter(|index| !authority[*index..].contains(&b']'));
    let host = &authority[..colon.unwrap_or(authority.len())];
    let host = host.strip_suffix(b".").unwrap_or(host);
    if let Some(address) = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"))
        && let Some(address) = canonical_ipv6(address)
    {
        return Cow::Owned(address.into_bytes());
    }
    if host.iter().any(u8::is_ascii_uppercase) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }
}

/// One spelling for each address, as in RFC 5952: `[0:0::1]` becomes `[::1]`.
fn canonical_ipv6(address: &[u8]) -> Option<String> {
    let address: Ipv6Addr = str::from_utf8(address).ok()?.parse().ok()?;
    Some(format!("[{address}]"))
}

/// Which hosts a rule matches, of those that [`RequestInfo::host`](super::RequestInfo::host) returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(String),
    /// All subdomains at any depth: the suffix with its leading dot. `.a.example` has no label before it, so it is none.
    Wildcard(String),
}

/// Why a text is not a [`HostPattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a host such as a.example, [::1] or *.a.example, without a port")]
pub struct HostPatternError(String);

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let invalid = || HostPatternError(text.into());
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if let Some(inside) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return canonical_ipv6(inside.as_bytes()).map(Self::Exact).ok_or_else(invalid);
        }
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !labels.split('.').all(is_label) {
            return Err(invalid());
        }
        Ok(match name.strip_prefix('*') {
            Some(suffix) => Self::Wildcard(suffix.to_owned()),
            None => Self::Exact(name),
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// Which paths a rule matches, of those that
/// [`RequestInfo::path_for_matching`](super::RequestInfo::path_for_matching) returns, or
/// [`path_with_parameters`](super::RequestInfo::path_with_parameters) if the pattern has a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// This path.
    Exact(String),
    /// This path and all below it. Without the trailing slash: the root is the empty string.
    Prefix(String),
    /// All paths with this suffix.
    Suffix(String),
}

/// Why a text is not a [`PathPattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// Not one of the three forms.
    #[error("'{0}' is not a path such as /api (itself), /api/* (with all below it) or *.png")]
    Syntax(String),
    /// It contains a query.
    #[error("'{0}': a path pattern cannot contain a query; use query=NAME:VALUE")]
    HasQuery(String),
    /// A character that no request path contains, because a URI must percent-encode it.
    #[error("'{pattern}': '{character}' is not allowed in a path; percent-encode it, such as %20")]
    InvalidCharacter {
        /// The whole text.
        pattern: String,
        /// The invalid character.
        character: char,
    },
    /// A path that [`path::normalize`] rejects, so that no request can match it.
    #[error("'{pattern}': {source}")]
    InvalidPath {
        /// The whole text.
        pattern: String,
        /// What is wrong with it.
        source: PathError,
    },
}

impl FromStr for PathPattern {
    type Err = PathPatternError;

    fn from_str(text: &str) -> Result<Self, PathPatternError> {
        let is_invalid = |c: &char| !c.is_ascii_graphic() || "\"<>\\#".contains(*c); // as in the request parser
        if let Some(character) = text.chars().find(is_invalid) {
            return Err(PathPatternError::InvalidCharacter { pattern: text.into(), character });
        }
        if text.contains('?') {
            return Err(PathPatternError::HasQuery(text.into()));
        }
        let normalized = |path: &str| -> Result<String, PathPatternError> {
            let rejected = |source| PathPatternError::InvalidPath { pattern: text.into(), source };
            let path = path::normalize(path.as_bytes()).map_err(rejected)?;
            Ok(String::from_utf8_lossy(&path::merge_slashes(&path)).into_owned())
        };
        let syntax_error = || PathPatternError::Syntax(text.into());
        if let Some(suffix) = text.strip_prefix('*') {
            let is_name = !suffix.is_empty() && !suffix.contains(['*', '/']);
            // Normalized after a dummy name, for the escapes; `*..` is not a dot segment.
            return if is_name {
                Ok(Self::Suffix(normalized(&format!("/x{suffix}"))?[2..].into()))
            } else {
                Err(syntax_error())
            };
        }
        let (path, is_prefix) = text.strip_suffix("/*").map_or((text, false), |prefix| (prefix, true));
        if path.contains('*') || !text.starts_with('/') {
            return Err(syntax_error());
        }
        // The trailing slash keeps a dot segment at the end of a prefix a segment: `/a/../*` is `/*`.
        let path = normalized(&if is_prefix { format!("{path}/") } else { path.to_owned() })?;
        Ok(match path.strip_suffix('/') {
            Some(prefix) if is_prefix => Self::Prefix(prefix.to_owned()),
            _ => Self::Exact(path),
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(path) => write!(f, "{path}/*"),
            Self::Suffix(end) => write!(f, "*{end}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{RouteTable, request_info::with_request_info};

    fn matches(condition: &str, lines: &[&str]) -> bool {
        let table = RouteTable::new(vec![format!("{condition} -> web").parse().unwrap()], &["web"]).unwrap();
        with_request_info(lines, |info| table.match_rule(info).is_some())
    }

    #[test]
    fn hosts_match() {
        for (pattern, host, expected) in [
            ("a.example", "a.example", true),
            ("A.Example.", "a.EXAMPLE.:8080", true),
            ("a.example", "x.a.example", false),
            ("a.example", "", false),
            ("*.a.example", "x.a.example:80", true),
            ("*.a.example", "x.y.A.example.", true),
            ("*.a.example", "a.example", false),
            ("*.a.example", ".a.example", false),
            ("*.a.example", "xa.example", false),
            ("[::1]", "[::1]:80", true),
            ("[::1]", "[::1]", true),
            ("[::1]", "[0:0::1]:80", true),
            ("[0:0:0:0:0:0:0:1]", "[::0001]", true),
            ("[2001:DB8::1]", "[2001:0db8:0:0::1]", true),
            ("[::1]", "[::2]", false),
            ("127.0.0.1", "127.0.0.1:80", true),
        ] {
            let host_line = format!("Host: {host}");
            // Only HTTP/1.0 has requests without a host.
            let lines: &[&str] = if host.is_empty() { &["GET / HTTP/1.0"] } else { &["GET / HTTP/1.1", &host_line] };
            let matches = matches(&format!("host={pattern}"), lines);
            assert_eq!(matches, expected, "{pattern} {host}");
        }
    }

    #[test]
    fn paths_match() {
        for (pattern, path, expected) in [
            ("/api", "/api", true),
            ("/api", "/api/", false),
            ("/api", "/apix", false),
            ("/%61pi/", "/api/", true),
            ("/api/*", "/api", true),
            ("/api/*", "/api/", true),
            ("/api/*", "/api/v1", true),
            ("/api/*", "/apix", false),
            ("/api/*", "/ap", false),
            ("//x/../api//*", "/api/v1", true),
            ("/*", "/", true),
            ("/*", "/x", true),
            ("/x/../*", "/y", true),
            ("*.png", "/a/b.png", true),
            ("*.png", "/b.PNG", false),
            ("*.png", "/b.png/c", false),
            ("*%2epng", "/b.png", true),
        ] {
            let matches = matches(&format!("path={pattern}"), &[&format!("GET {path} HTTP/1.1"), "Host: a"]);
            assert_eq!(matches, expected, "{pattern} {path}");
        }
        assert!(!matches("path=/*", &["OPTIONS * HTTP/1.1", "Host: a"]));
    }

    #[test]
    fn errors_quote_the_invalid_pattern() {
        for text in ["", "*", "*.", "a b", "a.example:80", "*.*.a", "a.*.b", "a..b", "[::g]", "[]", "http://a", ".a"] {
            let line = text.parse::<HostPattern>().unwrap_err().to_string();
            assert!(line.contains(&format!("'{text}'")), "{line}");
        }
        for text in ["", "*", "api", "api/*", "/a*", "/*/b", "*/b", "*a*", "/a?b", "/a b", "/é", "/%2f", "/%", "/a/**"]
        {
            let line = text.parse::<PathPattern>().unwrap_err().to_string();
            assert!(line.contains(&format!("'{text}'")), "{line}");
        }
    }

    #[test]
    fn displays_the_normalized_pattern() {
        for (text, shown) in [("/a/./b", "/a/b"), ("/a//b/*", "/a/b/*"), ("/*", "/*"), ("*.png", "*.png")] {
            assert_eq!(text.parse::<PathPattern>().unwrap().to_string(), shown);
        }
        assert_eq!("*.A.example.".parse::<HostPattern>().unwrap().to_string(), "*.a.example");
    }
}
