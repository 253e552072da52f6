//! The hash key: which part of a request the hashing algorithms hash.
//!
//! | key | same key, same backend | use it for |
//! |---|---|---|
//! | `source` | the client's address | sessions without cookies; useless behind one big NAT |
//! | `host` | the site | backends that each cache some sites |
//! | `path` | the path without the query | caches of files |
//! | `target` | path and query, as sent | caches of responses, as nginx's `hash $request_uri` |
//! | `header:NAME` | the header's value | tenants, API keys |
//! | `cookie:NAME` | the cookie's value | users who have logged in |
//!
//! A request without that header or cookie is hashed by its source: an empty key would send all such requests to one
//! backend, a known surprise of nginx's `hash $cookie_x`.

use std::{fmt, net::IpAddr, str::FromStr};

use super::{cookie::is_token, request_info::RequestInfo};

/// The part of a request that determines its backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashKey {
    /// The client's address.
    #[default]
    Source,
    /// The host, in lower case, without port.
    Host,
    /// The normalized path.
    Path,
    /// Path and query as they were sent.
    Target,
    /// The first header with this name.
    Header(String),
    /// The first cookie with this name.
    Cookie(String),
}

/// The text is not a [`HashKey`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash key '{0}'; known: source, host, path, target, header:NAME, cookie:NAME")]
pub struct HashKeyError(String);

impl HashKey {
    /// The hash of a request's key. `client` is the address that a trusted proxy reports, else the peer's. `hash` is
    /// the hash of the algorithms, [`policy::hash`](crate::balance::policy::hash::hash).
    pub fn hash_request(&self, info: &RequestInfo<'_>, client: IpAddr, hash: impl Fn(&[u8]) -> u64) -> u64 {
        self.value(info).map_or_else(|| hash_source(client, &hash), &hash)
    }

    /// The request's key; `None` if that is its source, or if it lacks this header or cookie, or has an empty one.
    pub fn value<'a>(&self, info: &'a RequestInfo<'_>) -> Option<&'a [u8]> {
        let value = match self {
            Self::Source => None,
            Self::Host => Some(info.host()),
            Self::Path => Some(info.path()),
            Self::Target => Some(info.target()),
            Self::Header(name) => info.header_values(name).next(),
            Self::Cookie(name) => info.cookies().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value),
        };
        value.filter(|value| !value.is_empty())
    }

    /// As [`value`](Self::value), but also `None` if there are several headers or cookies with this name: a backend may
    /// read another one of them.
    pub fn only_value<'a>(&self, info: &'a RequestInfo<'_>) -> Option<&'a [u8]> {
        match self {
            Self::Header(name) => only(info.header_values(name)),
            Self::Cookie(name) => {
                only(info.cookies().filter(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value))
            }
            Self::Source | Self::Host | Self::Path | Self::Target => self.value(info),
        }
        .filter(|value| !value.is_empty())
    }

    /// Whether the connection alone determines the key, without the request.
    pub fn is_source(&self) -> bool {
        *self == Self::Source
    }
}

fn only<T>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The hash of a client's address; IPv4-mapped addresses become IPv4.
pub fn hash_source(client: IpAddr, hash: impl Fn(&[u8]) -> u64) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()),
    }
}

impl FromStr for HashKey {
    type Err = HashKeyError;

    fn from_str(text: &str) -> Result<Self, HashKeyError> {
        match text {
            "source" => return Ok(Self::Source),
            "host" => return Ok(Self::Host),
            "path" => return Ok(Self::Path),
            "target" => return Ok(Self::Target),
            _ => {}
        }
        match text.split_once(':') {
            Some(("header", name)) if is_token(name) => Ok(Self::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) if is_token(name) => Ok(Self::Cookie(name.into())),
            _ => Err(HashKeyError(text.escape_debug().to_string())),
        }
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Host => f.write_str("host"),
            Self::Path => f.write_str("path"),
            Self::Target => f.write_str("target"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::routing::request_info::with_request_info;

    #[test]
    fn each_key_hashes_its_part_of_the_request() {
        let request = ["GET /a/./b?c HTTP/1.1", "Host: A.example:80", "X-Tenant: t", "Empty:", "Cookie: u=7; u=8"];
        for (key, expected) in [
            ("source", "\x0a\0\0\x01"),
            ("host", "a.example"),
            ("path", "/a/b"),
            ("target", "/a/./b?c"),
            ("header:x-TENANT", "t"),
            ("header:Empty", "\x0a\0\0\x01"),
            ("header:X-None", "\x0a\0\0\x01"),
            ("cookie:u", "7"),
            ("cookie:U", "\x0a\0\0\x01"),
        ] {
            let key: HashKey = key.parse().unwrap();
            assert_eq!(key.to_string().parse(), Ok(key.clone()));
            let hashed = RefCell::new(Vec::new());
            let client = "::ffff:10.0.0.1".parse().unwrap();
            let hash = |bytes: &[u8]| {
                hashed.borrow_mut().extend_from_slice(bytes);
                42
            };
            assert_eq!(with_request_info(&request, |info| key.hash_request(info, client, hash)), 42);
            assert_eq!(hashed.into_inner(), expected.as_bytes(), "{key}");
        }
        assert!(HashKey::default().is_source());
    }

    #[test]
    fn the_only_value_is_none_of_several() {
        let request =
            ["GET /a HTTP/1.1", "Host: a", "X-One: 1", "X-Two: 1", "x-two: 1", "Empty:", "Cookie: u=7; u=8; v=9"];
        for (key, expected) in [
            ("header:X-One", Some("1")),
            ("header:X-Two", None),
            ("header:Empty", None),
            ("header:X-None", None),
            ("cookie:u", None),
            ("cookie:v", Some("9")),
            ("path", Some("/a")),
            ("source", None),
        ] {
            let key: HashKey = key.parse().unwrap();
            let value = with_request_info(&request, |info| key.only_value(info).map(<[u8]>::to_vec));
            assert_eq!(value.as_deref(), expected.map(str::as_bytes), "{key}");
        }
    }

    #[test]
    fn unknown_key_lists_the_known_ones() {
        for text in ["", "ip", "Source", "header", "header:", "cookie:a b", "query:x"] {
            let line = text.parse::<HashKey>().unwrap_err().to_string();
            assert!(line.starts_with(&format!("unknown hash key '{text}'; known: source, host")), "{line}");
        }
    }
}
