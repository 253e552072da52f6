//! Request targets and authorities (RFC 9112 §3.2, RFC 3986 §3.2).
//!
//! `httparse` accepts bytes here that a URI cannot contain; two servers that treat them differently are a security
//! hole, so they are rejected. Some are accepted although RFC 3986 forbids them, because browsers, curl, Node and
//! Python send them unescaped and no parser splits a target at them: `^`, `{`, `|`, `}` and the backtick anywhere, and
//! `\`, `"`, `<` and `>` in a query. In a path those four stay invalid: some servers read a backslash as a slash.

use super::byte_set::ByteSet;
use crate::http::protocol_error::ProtocolError;

/// The bytes of a target before its query.
static PATH_BYTES: ByteSet = ByteSet::VISIBLE.without(b"\"<>\\#?");
/// The bytes of a query and the `?` before it.
static QUERY_BYTES: ByteSet = ByteSet::VISIBLE.without(b"#");
/// The bytes of a registered name, apart from percent-encoded ones (RFC 3986 §3.2.2).
static REG_NAME_BYTES: ByteSet = ByteSet::ALPHANUMERIC.with(b"-._~!$&'()*+;=");

/// The role of the proxy, which determines the valid forms of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyRole {
    /// In front of servers; clients take it for the origin server. Accepts origin-form, and absolute-form if its
    /// authority is equivalent to Host; no CONNECT.
    #[default]
    Reverse,
    /// In front of clients that are configured to use it. Accepts absolute-form with the scheme `http`, whatever Host
    /// says (RFC 9112 §3.2.2), and CONNECT.
    Forward,
}

/// The form of a target, with offsets into its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetForm {
    /// `/path?query`.
    Origin,
    /// `http://authority/path`: where the authority begins and ends, without the colon of an empty port; where the path
    /// begins; and the default port of the scheme.
    Absolute { authority: (usize, usize), path: usize, default_port: u16 },
    /// `*`, with OPTIONS only.
    Asterisk,
    /// `host:port`, with CONNECT only.
    Authority,
}

/// Determines the form of `target`; an error if `role` does not allow it.
pub(crate) fn parse_target(role: ProxyRole, method: &[u8], target: &[u8]) -> Result<TargetForm, ProtocolError> {
    let connect = method == b"CONNECT";
    if connect && role == ProxyRole::Reverse {
        return Err(ProtocolError::ConnectNotAllowed);
    }
    if !has_valid_bytes(target) {
        return Err(ProtocolError::RequestTarget);
    }
    match target {
        _ if connect && has_port(target) && is_authority(target) => Ok(TargetForm::Authority),
        _ if connect => Err(ProtocolError::RequestTarget),
        [b'/', ..] if role == ProxyRole::Reverse => Ok(TargetForm::Origin),
        b"*" if method == b"OPTIONS" && role == ProxyRole::Reverse => Ok(TargetForm::Asterisk),
        _ => parse_absolute_form(role, target),
    }
}

fn has_valid_bytes(target: &[u8]) -> bool {
    let path_end = target.iter().position(|byte| !PATH_BYTES.contains(*byte));
    path_end.is_none_or(|end| target[end] == b'?' && QUERY_BYTES.contains_all(&target[end..]))
}

/// CONNECT has no default port (RFC 9110 §9.3.6).
fn has_port(authority: &[u8]) -> bool {
    let port = authority.rsplit(|byte| *byte == b':').next().unwrap_or(b"");
    port.len() < authority.len() && !port.is_empty() && port.iter().all(u8::is_ascii_digit)
}

/// A reverse proxy accepts `https` too: TLS may end in front of it. A forward proxy would have to open the TLS connection
/// itself; for `https` its clients use CONNECT.
fn parse_absolute_form(role: ProxyRole, target: &[u8]) -> Result<TargetForm, ProtocolError> {
    let starts_with = |scheme: &[u8]| target.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
    let (start, default_port) = if starts_with(b"http://") {
        ("http://".len(), 80)
    } else if role == ProxyRole::Reverse && starts_with(b"https://") {
        ("https://".len(), 443)
    } else {
        return Err(ProtocolError::RequestTarget);
    };
    let rest = &target[start..];
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?')).next().unwrap_or(rest);
    if !is_authority(authority) {
        return Err(ProtocolError::RequestTarget);
    }
    let path = start + authority.len();
    let end = if authority.ends_with(b":") { path - 1 } else { path };
    Ok(TargetForm::Absolute { authority: (start, end), path, default_port })
}

/// Whether `bytes` is `uri-host [":" port]` with a non-empty host and a port in range. User information (`user@host`)
/// is rejected.
pub(crate) fn is_authority(bytes: &[u8]) -> bool {
    let (host, port) = split_port(bytes);
    let host_is_valid = match host {
        [b'[', inside @ .., b']'] => is_ip_literal(inside),
        _ => is_reg_name(host),
    };
    host_is_valid && port.is_none_or(is_port)
}

/// Whether two valid authorities are equivalent in URIs of a scheme with this default port (RFC 9110 §4.2.3): their
/// hosts differ at most in case, and a missing or empty port is the default port.
pub(crate) fn are_equivalent(a: &[u8], b: &[u8], default_port: u16) -> bool {
    let port_number = |port: Option<&[u8]>| port.filter(|port| !port.is_empty()).map_or(default_port.into(), number);
    let ((a, a_port), (b, b_port)) = (split_port(a), split_port(b));
    a.eq_ignore_ascii_case(b) && port_number(a_port) == port_number(b_port)
}

/// The host of an authority, and the port after its colon.
fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let address_end = match authority {
        [b'[', ..] => authority.iter().position(|byte| *byte == b']').unwrap_or(0),
        _ => 0,
    };
    match authority[address_end..].iter().position(|byte| *byte == b':') {
        Some(colon) => (&authority[..address_end + colon], Some(&authority[address_end + colon + 1..])),
        None => (authority, None),
    }
}

fn is_ip_literal(inside: &[u8]) -> bool {
    std::str::from_utf8(inside).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_reg_name(host: &[u8]) -> bool {
    if REG_NAME_BYTES.contains_all(host) {
        return !host.is_empty(); // nearly all: without escapes
    }
    let mut rest = host;
    loop {
        rest = match rest {
            [] => return !host.is_empty(),
            [byte, rest @ ..] if REG_NAME_BYTES.contains(*byte) => rest,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            _ => return false,
        };
    }
}

/// A port may be empty (RFC 3986 §3.2.3) but not out of range.
fn is_port(port: &[u8]) -> bool {
    port.len() <= 5 && port.iter().all(u8::is_ascii_digit) && u16::try_from(number(port)).is_ok()
}

/// The value of at most five digits.
fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_the_four_forms() {
        for (method, target, expected) in [
            ("GET", "/", Ok(TargetForm::Origin)),
            ("GET", "/^{a|b}`?^{c|d}`", Ok(TargetForm::Origin)),
            ("GET", r#"/a?\"<>?"#, Ok(TargetForm::Origin)),
            ("GET", r#"http://a?\"<>"#, Ok(TargetForm::Absolute { authority: (7, 8), path: 8, default_port: 80 })),
            ("GET", r"http://a\b/?x", Err(ProtocolError::RequestTarget)),
            ("OPTIONS", "*", Ok(TargetForm::Asterisk)),
            ("GET", "http://a:80/x", Ok(TargetForm::Absolute { authority: (7, 11), path: 11, default_port: 80 })),
            ("GET", "HTTP://a?x", Ok(TargetForm::Absolute { authority: (7, 8), path: 8, default_port: 80 })),
            ("GET", "http://a:/", Ok(TargetForm::Absolute { authority: (7, 8), path: 9, default_port: 80 })),
            ("GET", "httpS://a/", Ok(TargetForm::Absolute { authority: (8, 9), path: 9, default_port: 443 })),
            ("GET", "*", Err(ProtocolError::RequestTarget)),
            ("GET", "x", Err(ProtocolError::RequestTarget)),
            ("GET", "https:///", Err(ProtocolError::RequestTarget)),
            ("GET", "http:///", Err(ProtocolError::RequestTarget)),
            ("GET", "http://u@a/", Err(ProtocolError::RequestTarget)),
            ("CONNECT", "a:80", Err(ProtocolError::ConnectNotAllowed)),
        ] {
            assert_eq!(
                parse_target(ProxyRole::Reverse, method.as_bytes(), target.as_bytes()),
                expected,
                "{method} {target}"
            );
        }
        for byte in 0..=u8::MAX {
            let path_is_valid = byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'#');
            let query_is_valid = byte.is_ascii_graphic() && byte != b'#';
            for (target, is_valid) in [(&[b'/', byte][..], path_is_valid), (&[b'/', b'?', byte][..], query_is_valid)] {
                let expected = if is_valid { Ok(TargetForm::Origin) } else { Err(ProtocolError::RequestTarget) };
                assert_eq!(parse_target(ProxyRole::Reverse, b"GET", target), expected, "{}", target.escape_ascii());
            }
        }
    }

    #[test]
    fn a_forward_proxy_requires_an_authority() {
        for (method, target, expected) in [
            ("CONNECT", "a:443", Ok(TargetForm::Authority)),
            ("CONNECT", "[::1]:443", Ok(TargetForm::Authority)),
            ("CONNECT", "a", Err(ProtocolError::RequestTarget)),
            ("CONNECT", "a:", Err(ProtocolError::RequestTarget)),
            ("CONNECT", "[::1]", Err(ProtocolError::RequestTarget)),
            ("CONNECT", "http://a:443/", Err(ProtocolError::RequestTarget)),
            ("GET", "http://a/", Ok(TargetForm::Absolute { authority: (7, 8), path: 8, default_port: 80 })),
            ("GET", "https://a/", Err(ProtocolError::RequestTarget)),
            ("GET", "/", Err(ProtocolError::RequestTarget)),
            ("OPTIONS", "*", Err(ProtocolError::RequestTarget)),
        ] {
            assert_eq!(
                parse_target(ProxyRole::Forward, method.as_bytes(), target.as_bytes()),
                expected,
                "{method} {target}"
            );
        }
    }

    #[test]
    fn a_missing_or_empty_port_is_the_default_port() {
        for (a, b, at_80, at_443) in [
            ("a", "A", true, true),
            ("a", "a:", true, true),
            ("a:", "a:80", true, false),
            ("a:443", "a", false, true),
            ("a:0080", "a:80", true, true),
            ("[::1]", "[::1]:80", true, false),
            ("a", "b", false, false),
            ("a:80", "a:81", false, false),
            ("a.b", "a", false, false),
        ] {
            assert_eq!(are_equivalent(a.as_bytes(), b.as_bytes(), 80), at_80, "{a} {b}");
            assert_eq!(are_equivalent(b.as_bytes(), a.as_bytes(), 443), at_443, "{a} {b}");
        }
    }

    #[test]
    fn authorities_follow_the_grammar() {
        for good in ["a", "a.b:80", "a:", "127.0.0.1:65535", "[::1]", "[::1]:8080", "x_y", "a%20b"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a:65536", "a:b", "a b", "a,b", "a/b", "a@b", "[::1", "[::1]x", "[]", "[g]", "a:-1", "a:+1",
            "::1", "a\"b", "a%zz", "a%2",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
