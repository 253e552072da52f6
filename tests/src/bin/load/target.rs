//! The target of the load: an `http://` URL, on this machine unless allowed otherwise.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::options::OptionsError;

/// A resolved URL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// As in the URL: the value of the Host header.
    pub(crate) authority: String,
    /// Origin-form: path and query.
    pub(crate) path: String,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Target {
    /// Parses and resolves `url`. Load on a machine of others is an attack, so an address that is not loopback requires
    /// `allow_remote`.
    pub(crate) fn resolve(url: &str, allow_remote: bool) -> Result<Self, OptionsError> {
        let (authority, path) = split(url).map_err(|why| OptionsError::Usage(format!("{url}: {why}")))?;
        let (host, port) = host_and_port(authority)
            .ok_or_else(|| OptionsError::Usage(format!("{url}: {authority} is not host or host:port")))?;
        let addresses: Vec<_> = (host, port)
            .to_socket_addrs()
            .map_err(|error| OptionsError::Machine(format!("cannot resolve {host}: {error}")))?
            .collect();
        if addresses.is_empty() {
            return Err(OptionsError::Machine(format!("{host} has no address")));
        }
        if let Some(remote) = addresses.iter().find(|address| !is_loopback(address.ip()))
            && !allow_remote
        {
            return Err(OptionsError::Usage(format!(
                "{} is not on this machine; use --allow-remote, and only for a server you are allowed to load",
                remote.ip()
            )));
        }
        Ok(Self { authority: authority.to_owned(), path, addresses })
    }
}

/// Also accepts `::ffff:127.0.0.1`.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The authority and the origin-form target; the scheme is optional, a fragment is dropped.
fn split(url: &str) -> Result<(&str, String), &'static str> {
    let rest = match url.split_once("://") {
        Some(("http", rest)) => rest,
        Some(("https", _)) => return Err("TLS is not supported; use http"),
        Some(_) => return Err("unsupported scheme; use http"),
        None => url,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    if rest.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err("spaces, control and non-ASCII characters must be percent-encoded");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("userinfo in the URL is not supported");
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((authority, format!("{slash}{path}")))
}

fn host_and_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse().ok()?,
        None if port.is_empty() => 80,
        None => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_forms() {
        for (url, address, path) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "/"),
            ("http://127.0.0.1?x", "127.0.0.1:80", "/?x"),
            ("http://[::1]:9001/a/b?c#d", "[::1]:9001", "/a/b?c"),
            ("127.1.2.3:1/a", "127.1.2.3:1", "/a"),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", "/"),
        ] {
            let target = Target::resolve(url, false).unwrap();
            assert_eq!(target.addresses, [address.parse().unwrap()], "{url}");
            assert_eq!(target.path, path, "{url}");
        }
    }

    #[test]
    fn refuses_other_machines_unless_allowed() {
        for url in ["http://192.0.2.1/", "http://[2001:db8::1]/", "http://0.0.0.0:8080/"] {
            let refusal = Target::resolve(url, false).unwrap_err();
            assert!(matches!(&refusal, OptionsError::Usage(why) if why.contains("--allow-remote")), "{url}");
            assert!(Target::resolve(url, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn refuses_what_is_no_http_url() {
        for url in [
            "https://127.0.0.1/",
            "ftp://127.0.0.1/",
            "http://",
            "http://127.0.0.1:x/",
            "http://127.0.0.1:65536/",
            "http://[::1/",
            "http://[::1]9/",
            "http://me@127.0.0.1/",
            "http://127.0.0.1/a b",
        ] {
            assert!(matches!(Target::resolve(url, true), Err(OptionsError::Usage(_))), "{url}");
        }
    }
}
