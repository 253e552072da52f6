//! Who is refused before anything is looked at: the web pages that the operator's browser has open.
//!
//! That the interface listens on loopback keeps other machines out, not other people's pages: a browser on this
//! machine sends their requests from here. Two tricks matter. *DNS rebinding*: `evil.example` comes to mean
//! 127.0.0.1, so the page may read the answers; but the `Host` is still `evil.example`. *Cross-site request
//! forgery*: a form on any page may send a POST here; but the browser says in `Origin` or `Sec-Fetch-Site` where it
//! comes from. `curl` sends neither field and is let in. (An interface for others than this machine's users would
//! need a password and TLS: put them in front of it.)

use std::net::{Ipv4Addr, Ipv6Addr};

use super::request::{AdminRequest, AdminResponse};

// ANCHOR: check
/// Lets the request in.
///
/// # Errors
/// Status 403 for a host that is not this machine, and for a change that another site's page asks for.
pub fn check_origin(request: &AdminRequest) -> Result<(), AdminResponse> {
    let host = request.host.as_deref().unwrap_or_default();
    if !is_loopback_authority(host) {
        return Err(AdminResponse::error(403, "the Host header must be localhost, 127.0.0.1 or [::1]"));
    }
    let only_reads = matches!(request.method.as_str(), "GET" | "HEAD");
    // Reading needs no guard: without CORS fields a browser does not show the answer to another site's page.
    if !only_reads && is_cross_origin(request, host) {
        return Err(AdminResponse::error(403, "cross-origin requests may only read"));
    }
    Ok(())
}
// ANCHOR_END: check

/// Whether an authority names this machine by something that no name server can bend.
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

/// Whether a browser says that a page of another origin has sent this.
fn is_cross_origin(request: &AdminRequest, host: &str) -> bool {
    let is_own =
        |origin: &str| origin.strip_prefix("http://").is_some_and(|authority| authority.eq_ignore_ascii_case(host));
    // `same-site` is refused, too: to a browser all ports of localhost are one site.
    let is_own_site = |site: &str| matches!(site, "same-origin" | "none");
    !request.origin.as_deref().is_none_or(is_own) || !request.sec_fetch_site.as_deref().is_none_or(is_own_site)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, host: Option<&str>, origin: Option<&str>, fetch_site: Option<&str>) -> bool {
        let [host, origin, sec_fetch_site] = [host, origin, fetch_site].map(|text| text.map(str::to_owned));
        check_origin(&AdminRequest { method: method.into(), host, origin, sec_fetch_site, ..AdminRequest::default() })
            .is_ok()
    }

    #[test]
    fn only_this_machine_is_a_host() {
        for (host, is_let_in) in [
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
            assert_eq!(asked("GET", Some(host), None, None), is_let_in, "{host}");
        }
        assert!(!asked("GET", None, None, None), "HTTP/1.0 without a host");
    }

    #[test]
    fn only_a_page_of_our_own_changes_anything() {
        const HOST: &str = "127.0.0.1:9900";
        for (origin, site, is_let_in) in [
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
                assert_eq!(asked(method, Some(HOST), origin, site), is_let_in, "{method} {origin:?} {site:?}");
            }
            assert!(asked("GET", Some(HOST), origin, site), "{origin:?} {site:?}");
        }
    }
}
