//! The request that is to be explained: a method, a URL and headers, as a client would send them.

use std::net::IpAddr;

use advanced_features::routing::RequestInfo;
use common::http::Head;

/// A request as the bytes of its head.
#[derive(Clone, Debug)]
pub struct Request {
    head: String,
    line: String,
    port: Option<u16>,
}

/// The text is not a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a method and a URL.
    #[error("'{0}' is not a request such as 'GET http://example.com/path'")]
    Format(String),
    /// A path alone names no host.
    #[error("'{0}' names no host: write a whole URL, or add -H 'Host: example.com'")]
    NoHost(String),
    /// Not a header.
    #[error("'{0}' is not a header such as 'X-Env: beta'")]
    Header(String),
}

impl Request {
    /// Parses `GET http://example.com/path?query`; without a method it is a GET. `headers` are lines such as
    /// `Cookie: a=b`.
    ///
    /// # Errors
    /// It is no request.
    pub fn parse(text: &str, headers: &[String]) -> Result<Self, RequestError> {
        let wrong = || RequestError::Format(text.into());
        let words: Vec<_> = text.split_whitespace().collect();
        let (method, url) = match words.as_slice() {
            [url] => ("GET", *url),
            [method, url] => (*method, *url),
            _ => return Err(wrong()),
        };
        let after_scheme = url.strip_prefix("http://").map(|rest| (rest, 80));
        let after_scheme = after_scheme.or_else(|| url.strip_prefix("https://").map(|rest| (rest, 443)));
        let (host, target, port) = match after_scheme {
            Some((rest, default_port)) => {
                let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
                (Some(authority), target, Some(port.unwrap_or(default_port)))
            }
            None if url.starts_with('/') => (None, url, None),
            None => return Err(wrong()),
        };
        let target = match target {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        if let Some(header) = headers.iter().find(|header| !header.contains(':') || header.contains(['\r', '\n'])) {
            return Err(RequestError::Header(header.clone()));
        }
        let has_host = |header: &String| header.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("host"));
        let host = match (headers.iter().any(has_host), host) {
            (true, _) => String::new(),
            (false, Some(host)) => format!("Host: {host}\r\n"),
            (false, None) => return Err(RequestError::NoHost(text.into())),
        };
        let lines = [headers, &[String::new()]].concat().join("\r\n");
        let head = format!("{method} {target} HTTP/1.1\r\n{host}{lines}\r\n");
        Ok(Self { head, line: format!("{method} {url}"), port })
    }

    /// As it was given: the method and the URL.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The port of its URL.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Calls `explain` with the request as routes see it, or with why the balancer refuses it.
    pub(super) fn with_info<T>(&self, from: IpAddr, explain: impl FnOnce(Result<&RequestInfo<'_>, String>) -> T) -> T {
        let (mut head, bytes) = (Head::new(), self.head.as_bytes());
        match head.read_request(bytes, &mut 0) {
            Ok(Some(_)) => {
                let info = RequestInfo::new(head.view(bytes), from);
                match info.check_path() {
                    Ok(()) => explain(Ok(&info)),
                    Err(error) => explain(Err(error.to_string())),
                }
            }
            Ok(None) => explain(Err("the head is not complete".to_owned())),
            Err(error) => explain(Err(error.to_string())),
        }
    }
}
