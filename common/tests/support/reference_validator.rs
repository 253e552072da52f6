//! A second implementation of the rules for request heads, for comparison: which heads are valid, and with which status
//! an invalid one may be rejected (RFC 9110, RFC 9112, and the stricter rules of `common::http`). It shares no code
//! with
//! `common::http`.
//!
//! A head may violate several rules, and the order of the checks is not specified, so the result is a set of statuses.

use super::strict_parser::{is_token, is_value_byte};

const MAX_HEAD_BYTES: usize = 32 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    /// A valid head of this length.
    Accepted(usize),
    /// Invalid: to be rejected with one of these statuses.
    Rejected(Vec<u16>),
    /// More bytes are needed.
    Incomplete,
}

pub(crate) fn request_head(bytes: &[u8]) -> Validation {
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    if bytes == b"\r" || bytes.len() == start {
        return Validation::Incomplete;
    }
    if !is_token(&bytes[start..=start]) {
        return Validation::Rejected(vec![400]);
    }
    let limited = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    let end = find(limited, b"\r\n\r\n").map(|at| at + 4);
    let seen = &limited[..end.unwrap_or(limited.len())];
    if (start..seen.len()).any(|at| seen[at] == b'\n' && seen[at - 1] != b'\r') {
        return Validation::Rejected(vec![400]);
    }
    let Some(end) = end else {
        let too_long = if find(&limited[start..], b"\r\n").is_some() { 431 } else { 414 };
        return if bytes.len() < MAX_HEAD_BYTES {
            Validation::Incomplete
        } else {
            Validation::Rejected(vec![too_long])
        };
    };
    let mut errors = Vec::new();
    let lines = split(&seen[start..end - 4]);
    let http10 = start_line(lines[0], &lines[1..], &mut errors);
    if lines.len() - 1 > 100 {
        errors.push(431);
    }
    fields(&lines[1..], http10, &mut errors);
    if errors.is_empty() { Validation::Accepted(end) } else { Validation::Rejected(errors) }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(at) = find(bytes, b"\r\n") {
        lines.push(&bytes[..at]);
        bytes = &bytes[at + 2..];
    }
    lines.push(bytes);
    lines
}

/// Returns whether the version is 1.0.
fn start_line(line: &[u8], rest: &[&[u8]], errors: &mut Vec<u16>) -> bool {
    let cr = line.iter().position(|byte| *byte == b'\r');
    errors.extend(cr.map(|_| 400)); // a bare CR; the part before it may violate more rules
    let line = &line[..cr.unwrap_or(line.len())];
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        errors.push(400);
        return false;
    };
    if !is_token(method) || target.is_empty() {
        errors.push(400);
    }
    if method == b"CONNECT" {
        errors.push(405);
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => {}
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => errors.push(505),
        _ => errors.push(400),
    }
    let path_length = target.split(|byte| *byte == b'?').next().map_or(0, <[u8]>::len);
    let forbidden = |(at, byte): (usize, &u8)| {
        !byte.is_ascii_graphic() || *byte == b'#' || at < path_length && b"\"<>\\".contains(byte)
    };
    let lower = target.to_ascii_lowercase();
    let form_is_fine = target.starts_with(b"/")
        || target == b"*" && method == b"OPTIONS"
        || lower.strip_prefix(b"http://").is_some_and(|lower| absolute_is_fine(lower, "80", rest))
        || lower.strip_prefix(b"https://").is_some_and(|lower| absolute_is_fine(lower, "443", rest));
    if target.iter().enumerate().any(forbidden) || !form_is_fine {
        errors.push(400);
    }
    version == b"HTTP/1.0"
}

/// `lower` is the target after its scheme, in lower case. Its authority must be equivalent to Host.
fn absolute_is_fine(lower: &[u8], default_port: &str, rest: &[&[u8]]) -> bool {
    let end = lower.iter().position(|byte| b"/?".contains(byte)).unwrap_or(lower.len());
    let hosts = rest.iter().filter_map(|line| field(line)).filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
    // As text with the port and without leading zeros; of an invalid authority anything.
    let normal = |authority: &[u8]| {
        let text = String::from_utf8_lossy(authority).to_ascii_lowercase();
        let after_address = text.find(']').unwrap_or(0);
        let (host, port) = match text[after_address..].find(':') {
            Some(colon) => text.split_at(after_address + colon),
            None => (&text[..], ""),
        };
        let port = port.trim_start_matches(':').trim_start_matches('0');
        let port = if text.ends_with(':') || host.len() == text.len() { default_port } else { port };
        format!("{host}:{port}")
    };
    is_authority(&lower[..end]) && hosts.into_iter().all(|(_, host)| normal(host) == normal(&lower[..end]))
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let value = &line[colon + 1..];
    let blank = |byte: &u8| b" \t".contains(byte);
    let from = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !blank(byte)).map_or(from, |at| at + 1);
    Some((&line[..colon], &value[from..to]))
}

fn fields(lines: &[&[u8]], http10: bool, errors: &mut Vec<u16>) {
    let mut all = Vec::new();
    for line in lines {
        match field(line) {
            Some((name, value)) if is_token(name) && value.iter().all(|byte| is_value_byte(*byte)) => {
                all.push((name.to_ascii_lowercase(), value));
            }
            _ => errors.push(400),
        }
    }
    let of = |wanted: &str| -> Vec<&[u8]> {
        all.iter().filter(|(name, _)| name == wanted.as_bytes()).map(|(_, value)| *value).collect()
    };
    match of("host")[..] {
        [host] if is_authority(host) => {}
        [] if http10 => {}
        _ => errors.push(400),
    }
    let (lengths, codings) = (of("content-length"), of("transfer-encoding"));
    let length = lengths.first().and_then(|length| decimal(length));
    if !lengths.is_empty() && (lengths.len() > 1 || length.is_none() || !codings.is_empty()) {
        errors.push(400);
    }
    if !codings.is_empty() {
        coding(&codings, http10, errors);
    }
    let options: Vec<_> = of("connection").into_iter().flat_map(list).filter(|option| !option.is_empty()).collect();
    let hides = |option: &Vec<u8>| [&b"host"[..], b"content-length", b"transfer-encoding"].contains(&&option[..]);
    if options.len() > 32 || options.iter().any(hides) {
        errors.push(400);
    }
}

fn list(value: &[u8]) -> Vec<Vec<u8>> {
    value
        .split(|byte| *byte == b',')
        .map(|part| field(&[b":", part].concat()).map_or(vec![], |it| it.1.to_ascii_lowercase()))
        .collect()
}

fn coding(values: &[&[u8]], http10: bool, errors: &mut Vec<u16>) {
    let all: Vec<_> = values.iter().flat_map(|value| list(value)).collect();
    match &all[..] {
        [only] if only == b"chunked" && !http10 => {}
        _ => {
            errors.push(400);
            // Well-formed codings that are not supported.
            if all.iter().all(|coding| is_token(coding)) {
                errors.push(501);
            }
        }
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// `uri-host [":" port]`, with an IPv6 literal or a name or IPv4 address.
fn is_authority(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((literal, rest)) => {
            if literal.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            if rest.is_empty() {
                return true;
            }
            let Some(port) = rest.strip_prefix(':') else { return false };
            ("literal", port)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let name = |char: char| char.is_ascii_alphanumeric() || "-._~%!$&'()*+;=".contains(char);
    let port_is_fine = port.is_empty()
        || port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    !host.is_empty() && host.chars().all(name) && host.split('%').skip(1).all(escape) && port_is_fine
}
