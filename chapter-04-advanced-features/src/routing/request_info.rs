//! A request as rules and filters see it, while its head is there.
//!
//! A [`RequestInfo`] borrows from the head and is dropped before the first wait; what is needed later (the group, the
//! hash, the affinity cookie) is small and copied. Host and path are normalized in the same way as in rules, when they
//! are first asked for: a request that nobody inspects costs nothing.

use std::{borrow::Cow, cell::OnceCell, net::IpAddr};

use common::http::{GroupId, HeadView, RouteId, Version};

use super::{
    cookie::parse_cookies,
    path::{self, PathError},
    pattern::{PathPattern, canonical_host},
};

/// The id of a request, by which the logs of balancer and backend are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestId<'a> {
    /// The balancer's own: 32 hexadecimal digits.
    Own(u128),
    /// A trusted proxy's, which may be any header value.
    Received(&'a [u8]),
}

/// A request whose head has been parsed.
#[derive(Clone, Debug)]
pub struct RequestInfo<'a> {
    head: HeadView<'a>,
    /// The client's address: the peer's, or the one that a trusted proxy reports.
    pub client: IpAddr,
    /// The rule that matched; `None` if none did, or before routing.
    pub route: Option<RouteId>,
    /// The group that the request goes to; `None` if no rule matches and there is no default group, or before routing.
    pub group: Option<GroupId>,
    /// The id of the balancer's own making, and whether the received one is kept instead.
    request_id: (u128, bool),
    host: OnceCell<Cow<'a, [u8]>>,
    path: OnceCell<Cow<'a, [u8]>>,
    /// The path with its slashes merged, if that changes it.
    merged_path: OnceCell<Option<Vec<u8>>>,
    /// The same without the parameters of its segments, if it has any.
    plain_path: OnceCell<Option<Vec<u8>>>,
}

impl<'a> RequestInfo<'a> {
    /// A request of `client`. Allocates later, and only for a host with capitals or an IPv6 address, or a path that is
    /// not normalized or has parameters.
    pub fn new(head: HeadView<'a>, client: IpAddr) -> Self {
        let (host, path) = (OnceCell::new(), OnceCell::new());
        let (merged_path, plain_path) = (OnceCell::new(), OnceCell::new());
        let request_id = (0, false);
        Self { head, client, route: None, group: None, request_id, host, path, merged_path, plain_path }
    }

    /// Sets the id that the balancer has made for this request. From a trusted proxy the received id is kept, if there is
    /// one.
    #[inline]
    pub fn set_request_id(&mut self, own: u128, is_from_trusted_proxy: bool) {
        self.request_id = (own, is_from_trusted_proxy);
    }

    /// The id that the backend gets in X-Request-ID.
    pub fn request_id(&self) -> RequestId<'a> {
        let (own, keeps_received) = self.request_id;
        let received = keeps_received.then(|| self.header_values("x-request-id").next()).flatten();
        received.map_or(RequestId::Own(own), RequestId::Received)
    }

    /// Normalizes the path. Call it before any rule is matched against the path: a backend might read an ambiguous path
    /// as another one than the rule.
    ///
    /// # Errors
    /// The path is ambiguous, to be answered with 400.
    pub fn check_path(&self) -> Result<(), PathError> {
        if self.path.get().is_none() {
            let _ = self.path.set(path::normalize(self.raw_path())?);
        }
        Ok(())
    }

    fn raw_path(&self) -> &'a [u8] {
        self.split_target().0
    }

    /// The path and the query of the target, as they were sent; the query is without the question mark.
    pub fn split_target(&self) -> (&'a [u8], Option<&'a [u8]>) {
        let target = self.head.target();
        match target.iter().position(|byte| *byte == b'?') {
            Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
            None => (target, None),
        }
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// The method, as it was sent: methods are case-sensitive.
    pub fn method(&self) -> &'a [u8] {
        self.head.method_name()
    }

    /// The host in lower case, without port and trailing dot. Empty for an HTTP/1.0 request without one.
    pub fn host(&self) -> &[u8] {
        self.host.get_or_init(|| canonical_host(self.head.authority().unwrap_or_default()))
    }

    /// The normalized path ([`path::normalize`]). Before [`check_path`](Self::check_path) it need not be the path that
    /// is forwarded, so nothing may be decided by it; an ambiguous path is returned as it was sent.
    pub fn path(&self) -> &[u8] {
        self.path.get_or_init(|| path::normalize(self.raw_path()).unwrap_or_else(|_| self.raw_path().into()))
    }

    /// The path that rules are matched against: as [`path`](Self::path), without the parameters of its segments, and
    /// with each run of slashes merged.
    pub fn path_for_matching(&self) -> &[u8] {
        let plain = self.plain_path.get_or_init(|| match path::remove_parameters(self.path()) {
            Cow::Borrowed(_) => None,
            Cow::Owned(plain) => Some(path::merge_slashes(&plain).into_owned()),
        });
        plain.as_deref().unwrap_or_else(|| self.path_with_parameters())
    }

    /// As [`path_for_matching`](Self::path_for_matching), with the parameters.
    pub fn path_with_parameters(&self) -> &[u8] {
        let merged = self.merged_path.get_or_init(|| match path::merge_slashes(self.path()) {
            Cow::Borrowed(_) => None,
            Cow::Owned(merged) => Some(merged),
        });
        merged.as_deref().unwrap_or_else(|| self.path())
    }

    /// Whether the pattern matches the path, as in a routing rule.
    pub fn path_matches(&self, pattern: &PathPattern) -> bool {
        let (PathPattern::Exact(text) | PathPattern::Prefix(text) | PathPattern::Suffix(text)) = pattern;
        let path = if text.contains(';') { self.path_with_parameters() } else { self.path_for_matching() };
        let text = text.as_bytes();
        match pattern {
            PathPattern::Exact(_) => path == text,
            PathPattern::Prefix(_) => {
                path.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            }
            PathPattern::Suffix(_) => path.ends_with(text),
        }
    }

    /// The target as it was sent.
    pub fn target(&self) -> &'a [u8] {
        self.head.target()
    }

    /// The query, after the question mark; `None` if there is none.
    pub fn query(&self) -> Option<&'a [u8]> {
        self.split_target().1
    }

    /// The target to forward instead of the received one, if normalizing the path has changed it: a backend that does
    /// not remove dot segments must not see another path than the rules.
    #[inline]
    pub fn rewritten_target(&self) -> Option<Vec<u8>> {
        match self.path.get() {
            Some(Cow::Owned(path)) => Some(self.target_with_path(path)),
            _ => None,
        }
    }

    fn target_with_path(&self, path: &[u8]) -> Vec<u8> {
        match self.query() {
            Some(query) => [path, b"?".as_slice(), query].concat(),
            None => path.to_vec(),
        }
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
        let pairs = self.query().unwrap_or_default().split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
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
    let info = RequestInfo::new(head.view(text.as_bytes()), std::net::Ipv4Addr::LOCALHOST.into());
    info.check_path().unwrap();
    check(&info)
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
            assert_eq!(info.path_for_matching(), b"/api/v");
            assert_eq!(info.query(), Some(b"b=1&&c&d=e=f".as_slice()));
            assert_eq!(info.rewritten_target().unwrap(), b"/api//v?b=1&&c&d=e=f");
            let parameters: [(&[u8], &[u8]); 3] = [(b"b", b"1"), (b"c", b""), (b"d", b"e=f")];
            assert_eq!(info.query_params().collect::<Vec<_>>(), parameters);
            assert_eq!(info.cookies().next(), Some((b"k".as_slice(), b"v".as_slice())));
            assert_eq!(info.header_values("Host").count(), 1);
        });
    }

    #[test]
    fn rules_see_a_path_without_parameters_unless_they_ask_for_them() {
        with_request_info(&["GET /;x//admin;v=1//y?a;b HTTP/1.1", "Host: a"], |info| {
            assert_eq!(info.path(), b"/;x//admin;v=1//y");
            assert_eq!(info.path_for_matching(), b"/admin/y");
            assert_eq!(info.path_with_parameters(), b"/;x/admin;v=1/y");
            assert_eq!(info.rewritten_target(), None, "parameters are removed for matching only");
        });
    }

    #[test]
    fn an_ambiguous_path_is_rejected_or_stays_as_it_was_sent() {
        let text = b"GET /a%2fb?c HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut head = common::http::Head::new();
        assert_eq!(head.read_request(text, &mut 0), Ok(Some(text.len())));
        let info = RequestInfo::new(head.view(text), std::net::Ipv4Addr::LOCALHOST.into());
        assert!(info.check_path().is_err());
        assert_eq!((info.path(), info.rewritten_target()), (b"/a%2fb".as_slice(), None));
    }

    #[test]
    fn accepts_requests_without_a_path_or_a_host() {
        with_request_info(&["OPTIONS * HTTP/1.1", "Host: a"], |info| assert_eq!(info.path(), b"*"));
        with_request_info(&["GET http://a?x HTTP/1.1", "Host: a"], |info| {
            assert_eq!((info.path(), info.query(), info.rewritten_target()), (&b"/"[..], Some(&b"x"[..]), None));
        });
        with_request_info(&["GET //a HTTP/1.0"], |info| {
            assert_eq!((info.host(), info.path(), info.path_for_matching()), (&b""[..], &b"//a"[..], &b"/a"[..]));
            assert_eq!(info.rewritten_target(), None, "slashes are merged for matching only");
        });
    }
}
