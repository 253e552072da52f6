//! The parts of a request that routing uses.
//!
//! A [`RequestInfo`] borrows from the head and is dropped before the first wait; what is needed later (the group, the
//! hash, the affinity cookie) is small and copied. Host and path are normalized in the same way as in rules.

use std::borrow::Cow;

use common::http::HeadView;

use super::{
    cookie::parse_cookies,
    path::{self, PathError},
    pattern::canonical_host,
};

/// A request as rules match it.
#[derive(Clone, Debug)]
pub struct RequestInfo<'a> {
    head: HeadView<'a>,
    host: Cow<'a, [u8]>,
    path: Cow<'a, [u8]>,
    /// The path with its slashes merged, if that changes it.
    merged_path: Option<Vec<u8>>,
    query: Option<&'a [u8]>,
}

impl<'a> RequestInfo<'a> {
    /// Extracts the routing information of a request. Allocates only for a host with capitals and for a path that is
    /// not normalized.
    ///
    /// # Errors
    /// An ambiguous path, to be answered with 400.
    pub fn from_head(head: HeadView<'a>) -> Result<Self, PathError> {
        let target = head.target();
        let (path, query) = match target.iter().position(|byte| *byte == b'?') {
            Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
            None => (target, None),
        };
        let path = path::normalize(path)?;
        let merged_path = match path::merge_slashes(&path) {
            Cow::Borrowed(_) => None,
            Cow::Owned(merged) => Some(merged),
        };
        Ok(Self { host: canonical_host(head.authority().unwrap_or_default()), head, path, merged_path, query })
    }

    /// The method, as it was sent: methods are case-sensitive.
    pub fn method(&self) -> &'a [u8] {
        self.head.method_name()
    }

    /// The host in lower case, without port and trailing dot. Empty for an HTTP/1.0 request without one.
    pub fn host(&self) -> &[u8] {
        &self.host
    }

    /// The normalized path ([`path::normalize`]), safe to forward.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The path that rules are matched against: as [`path`](Self::path), with each run of slashes merged.
    pub fn path_with_merged_slashes(&self) -> &[u8] {
        self.merged_path.as_deref().unwrap_or(&self.path)
    }

    /// The target as it was sent.
    pub fn target(&self) -> &'a [u8] {
        self.head.target()
    }

    /// The target to forward instead of the received one, if the two differ: a backend that does not remove dot
    /// segments must not see another path than the rules.
    pub fn rewritten_target(&self) -> Option<Vec<u8>> {
        let Cow::Owned(path) = &self.path else { return None };
        Some(match self.query {
            Some(query) => [path, b"?".as_slice(), query].concat(),
            None => path.clone(),
        })
    }

    /// The values of the headers with this name, in order; case does not matter.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.head
            .fields()
            .filter(move |(header_name, _)| header_name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Names and values of the cookies, in order, not decoded.
    pub fn cookies(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        parse_cookies(self.header_values("cookie"))
    }

    /// Names and values of the query parameters, in order, not decoded.
    pub fn query_params(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let pairs = self.query.unwrap_or_default().split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, b"".as_slice()),
        })
    }
}

/// For the tests of this module: runs `check` with the info of a request in text form; adds line ends.
#[cfg(test)]
pub(crate) fn with_request_info<T>(lines: &[&str], check: impl FnOnce(&RequestInfo<'_>) -> T) -> T {
    let text = lines.join("\r\n") + "\r\n\r\n";
    let mut head = common::http::Head::new();
    assert_eq!(head.read_request(text.as_bytes(), &mut 0), Ok(Some(text.len())), "{text}");
    check(&RequestInfo::from_head(head.view(text.as_bytes())).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extracts_the_parts_of_a_request() {
        let lines = ["GET /x/../%61pi//v?b=1&&c&d=e=f HTTP/1.1", "HOST: WWW.Example.COM.:8080", "cookie: k=v"];
        with_request_info(&lines, |info| {
            assert_eq!(info.method(), b"GET");
            assert_eq!(info.host(), b"www.example.com");
            assert_eq!(info.path(), b"/api//v");
            assert_eq!(info.path_with_merged_slashes(), b"/api/v");
            assert_eq!(info.query, Some(b"b=1&&c&d=e=f".as_slice()));
            assert_eq!(info.rewritten_target().unwrap(), b"/api//v?b=1&&c&d=e=f");
            let parameters: [(&[u8], &[u8]); 3] = [(b"b", b"1"), (b"c", b""), (b"d", b"e=f")];
            assert_eq!(info.query_params().collect::<Vec<_>>(), parameters);
            assert_eq!(info.cookies().next(), Some((b"k".as_slice(), b"v".as_slice())));
            assert_eq!(info.header_values("Host").count(), 1);
        });
    }

    #[test]
    fn accepts_requests_without_a_path_or_a_host() {
        with_request_info(&["OPTIONS * HTTP/1.1", "Host: a"], |info| assert_eq!(info.path(), b"*"));
        with_request_info(&["GET http://a?x HTTP/1.1", "Host: a"], |info| {
            assert_eq!((info.path(), info.query, info.rewritten_target()), (&b"/"[..], Some(&b"x"[..]), None));
        });
        with_request_info(&["GET //a HTTP/1.0"], |info| {
            assert_eq!(
                (info.host(), info.path(), info.path_with_merged_slashes()),
                (&b""[..], &b"//a"[..], &b"/a"[..])
            );
            assert_eq!(info.rewritten_target(), None, "slashes are merged for matching only");
        });
    }
}
