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
    /// In front of servers; clients take it for the origin server. Accepts origin-form, and absolute-form if it names
    /// the same authority as Host; no CONNECT.
    #[default]
    Reverse,
    /// In front of clients that are configured to use it. Accepts absolute-form, whose authority then counts instead of
    /// Host (RFC 9112 §3.2.2), and CONNECT.
    Forward,
}

/// The form of a target, with offsets into its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetForm {
    /// `/path?query`.
    Origin,
    /// `http://authority/path`: the offsets of the authority and the path.
    Absolute { authority: usize, path: usize },
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
        _ => parse_absolute_form(target),
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

fn parse_absolute_form(target: &[u8]) -> Result<TargetForm, ProtocolError> {
    const SCHEME: &[u8] = b"http://";
    let Some((scheme, rest)) = target.split_at_checked(SCHEME.len()) else { return Err(ProtocolError::RequestTarget) };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(ProtocolError::RequestTarget);
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    if !is_authority(&rest[..end]) {
        return Err(ProtocolError::RequestTarget);
    }
    Ok(TargetForm::Absolute { authority: SCHEME.len(), path: SCHEME.len() + end })
}

/// Whether `bytes` is `uri-host [":" port]` with a non-empty host and a port in range. User information (`user@host`)
/// is rejected.
pub(crate) fn is_authority(bytes: &[u8]) -> bool {
    let (host, port) = match bytes {
        [b'[', ..] => {
            let Some(close) = bytes.iter().position(|byte| *byte == b']') else { return false };
            let inside = &bytes[1..close];
            if !is_ip_literal(inside) {
                return false;
            }
            match &bytes[close + 1..] {
                [] => return true,
                [b':', port @ ..] => (inside, Some(port)),
                _ => return false,
            }
        }
        _ => match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => (&bytes[..colon], Some(&bytes[colon + 1..])),
            None => (bytes, None),
        },
    };
    let host_is_valid = bytes.first() == Some(&b'[') || is_reg_name(host);
    host_is_valid && port.is_none_or(is_port)
}

fn is_ip_literal(inside: &[u8]) -> bool {
    std::str::from_utf8(inside).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_reg_name(host: &[u8]) -> bool {
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
    let number = || port.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    port.len() <= 5 && port.iter().all(u8::is_ascii_digit) && u16::try_from(number()).is_ok()
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
            ("GET", r#"http://a?\"<>"#, Ok(TargetForm::Absolute { authority: 7, path: 8 })),
            ("GET", r"http://a\b/?x", Err(ProtocolError::RequestTarget)),
            ("OPTIONS", "*", Ok(TargetForm::Asterisk)),
            ("GET", "http://a:80/x", Ok(TargetForm::Absolute { authority: 7, path: 11 })),
            ("GET", "HTTP://a?x", Ok(TargetForm::Absolute { authority: 7, path: 8 })),
            ("GET", "*", Err(ProtocolError::RequestTarget)),
            ("GET", "x", Err(ProtocolError::RequestTarget)),
            ("GET", "https://a/", Err(ProtocolError::RequestTarget)),
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
            ("GET", "http://a/", Ok(TargetForm::Absolute { authority: 7, path: 8 })),
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
