//! Rejects requests from other sites' web pages in the operator's browser.
//!
//! Listening on loopback keeps out other machines, but not other sites' pages: a browser on this machine sends their
//! requests from here. Two attacks matter. *DNS rebinding*: `evil.example` resolves to 127.0.0.1, so the page may read
//! the responses; but the `Host` header is still `evil.example`. *Cross-site request forgery*: a form on any page may
//! send a POST here; but the browser reports its origin in `Origin` or `Sec-Fetch-Site`. `curl` sends neither header
//! and is admitted. (An admin API for users of other machines would need authentication and TLS: put a proxy in front
//! of it.)

use std::net::{Ipv4Addr, Ipv6Addr};

use super::request::{AdminRequest, AdminResponse};

// ANCHOR: check
/// Admits the request.
///
/// # Errors
/// Status 403 for a host that is not loopback, and for a change from another site's page.
pub fn check_origin(request: &AdminRequest) -> Result<(), AdminResponse> {
    let host = request.host.as_deref().unwrap_or_default();
    if !is_loopback_authority(host) {
        return Err(AdminResponse::error(403, "the Host header must be localhost, 127.0.0.1 or [::1]"));
    }
    let only_reads = matches!(request.method.as_str(), "GET" | "HEAD");
    // Reads need no check: without CORS headers a browser does not show the response to another site's page.
    if !only_reads && is_cross_origin(request, host) {
        return Err(AdminResponse::error(403, "cross-origin requests may only read"));
    }
    Ok(())
}
// ANCHOR_END: check

/// Whether an authority names this machine in a way that no DNS server controls.
fn is_loopback_authority(authority: &str) -> bool {
    if let Some((address, rest)) = authority.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        let is_loopback = address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback());
        return is_loopback && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_loopback = host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
    (is_loopback || host.eq_ignore_ascii_case("localhost")) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a browser reports that a page of another origin sent this.
fn is_cross_origin(request: &AdminRequest, host: &str) -> bool {
    let is_own =
        |origin: &str| origin.strip_prefix("http://").is_some_and(|authority| authority.eq_ignore_ascii_case(host));
    // `same-site` is rejected too: to a browser all ports of localhost are one site.
    let is_own_site = |site: &str| matches!(site, "same-origin" | "none");
    !request.origin.as_deref().is_none_or(is_own) || !request.sec_fetch_site.as_deref().is_none_or(is_own_site)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_admitted(method: &str, host: Option<&str>, origin: Option<&str>, fetch_site: Option<&str>) -> bool {
        let [host, origin, sec_fetch_site] = [host, origin, fetch_site].map(|text| text.map(str::to_owned));
        check_origin(&AdminRequest { method: method.into(), host, origin, sec_fetch_site, ..AdminRequest::default() })
            .is_ok()
    }

    #[test]
    fn admits_only_loopback_hosts() {
        for (host, admitted) in [
            ("localhost", true),
            ("LocalHost:9900", true),
            ("127.0.0.1", true),
            ("127.0.0.1:9900", true),
            ("127.8.7.6:1", true),
            ("[::1]", true),
            ("[::1]:9900", true),
            ("", false),
            ("evil.example", false),
            ("evil.example:9900", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example#localhost", false),
            ("user@localhost", false),
            ("localhost:", false),
            ("localhost:80:80", false),
            ("localhost:evil", false),
            ("[localhost]:80", false),
            ("[127.0.0.1]", false),
            ("::1", false),
            ("[::1]x", false),
            ("[::1]:", false),
            ("0.0.0.0:9900", false),
            ("10.0.0.1:9900", false),
            ("[::]:9900", false),
        ] {
            assert_eq!(is_admitted("GET", Some(host), None, None), admitted, "{host}");
        }
        assert!(!is_admitted("GET", None, None, None), "HTTP/1.0 without a host");
    }

    #[test]
    fn admits_changes_only_from_the_same_origin() {
        const HOST: &str = "127.0.0.1:9900";
        for (origin, site, admitted) in [
            (None, None, true),
            (Some("http://127.0.0.1:9900"), None, true),
            (Some("http://127.0.0.1:9900"), Some("same-origin"), true),
            (None, Some("none"), true),
            (Some("http://127.0.0.1"), None, false),
            (Some("http://127.0.0.1:8080"), Some("same-site"), false),
            (Some("https://127.0.0.1:9900"), None, false),
            (Some("http://localhost:9900"), None, false),
            (Some("http://evil.example"), Some("cross-site"), false),
            (Some("null"), None, false),
            (Some(""), None, false),
            (None, Some("cross-site"), false),
            (None, Some("same-site"), false),
            (None, Some(""), false),
        ] {
            for method in ["POST", "PUT", "DELETE", "PATCH", "get"] {
                assert_eq!(is_admitted(method, Some(HOST), origin, site), admitted, "{method} {origin:?} {site:?}");
            }
            assert!(is_admitted("GET", Some(HOST), origin, site), "{origin:?} {site:?}");
        }
    }
}
