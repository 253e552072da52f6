//! The head of a response, parsed strictly.
//!
//! Written by hand instead of with `httparse`: the balancers use that, and a check that shares the parser of what it
//! checks shares its bugs.

use std::ops::Range;

/// A longer head is an error: no server worth measuring sends one.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// Where the value of `X-Server-ID` is; empty without one.
    pub(crate) server_id: Range<usize>,
}

/// The relevant headers, as they were found.
struct Fields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    server_id: Range<usize>,
}

impl Head {
    /// Parses the head at the start of `bytes` and returns it with its length, or `None` if its end has not arrived.
    /// `to_head`: it is the response to a HEAD request, so no body follows.
    pub(crate) fn read(bytes: &[u8], to_head: bool) -> Result<Option<(Self, usize)>, &'static str> {
        let Some(first) = line(bytes, 0)? else { return Ok(None) };
        let (minor, status) = status_line(&bytes[first.clone()])?;
        let mut fields = Fields { length: None, chunked: false, close: false, keep_alive: false, server_id: 0..0 };
        let mut at = first.end + 2;
        loop {
            let Some(next) = line(bytes, at)? else { return Ok(None) };
            at = next.end + 2;
            if next.is_empty() {
                break;
            }
            fields.add(bytes, next)?;
        }
        let framing = fields.framing(status, to_head)?;
        let wanted = if minor == 0 { fields.keep_alive } else { true };
        let keep_alive = wanted && !fields.close && framing != Framing::UntilClose && status != 101;
        Ok(Some((Self { status, framing, keep_alive, server_id: fields.server_id }, at)))
    }
}

impl Fields {
    fn add(&mut self, bytes: &[u8], line: Range<usize>) -> Result<(), &'static str> {
        let text = &bytes[line.clone()];
        let colon = text.iter().position(|&byte| byte == b':').ok_or("a field without a colon")?;
        let name = &text[..colon];
        if name.is_empty() || name.iter().any(|&byte| byte <= b' ' || byte >= 0x7f) {
            return Err("a field name that is no token");
        }
        let value = text[colon + 1..].trim_ascii();
        // By length first, which rules out nearly all headers.
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            11 if name.eq_ignore_ascii_case(b"x-server-id") => {
                let start = line.start + colon + 1;
                let start = start + text[colon + 1..].len() - text[colon + 1..].trim_ascii_start().len();
                self.server_id = start..start + value.len();
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = decimal(value).ok_or("a Content-Length that is no number")?;
                if self.length.replace(length).is_some() {
                    return Err("Content-Length twice");
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err("a Transfer-Encoding other than chunked");
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, status: u16, to_head: bool) -> Result<Framing, &'static str> {
        if self.chunked && self.length.is_some() {
            return Err("Content-Length with Transfer-Encoding");
        }
        Ok(match self.length {
            _ if to_head || status < 200 || status == 204 || status == 304 => Framing::None,
            _ if self.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }
}

/// The line that starts at `at`, without its CRLF; `None` if its end has not arrived.
fn line(bytes: &[u8], at: usize) -> Result<Option<Range<usize>>, &'static str> {
    let Some(length) = bytes[at..].iter().position(|&byte| byte == b'\n') else {
        return Ok(None);
    };
    match length.checked_sub(1).map(|end| at + end) {
        Some(end) if bytes[end] == b'\r' => Ok(Some(at..end)),
        _ => Err("a line that ends without CR"),
    }
}

/// The minor version and the status.
fn status_line(text: &[u8]) -> Result<(u8, u16), &'static str> {
    let &[b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'1', b' ', ref rest @ ..] = text else {
        return Err("no HTTP/1 status line");
    };
    let &[a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', ref reason @ ..] = rest else {
        return Err("a status that is no number from 100 to 599");
    };
    if !matches!(reason.first(), None | Some(b' ')) {
        return Err("a status that is no number from 100 to 599");
    }
    let digit = |byte: u8| u16::from(byte - b'0');
    Ok((minor - b'0', digit(a) * 100 + digit(b) * 10 + digit(c)))
}

fn decimal(text: &[u8]) -> Option<u64> {
    // `parse` would accept a plus sign.
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_follows_rfc_9112() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::Length(5), true),
            ("HTTP/1.1 200\r\ntransfer-encoding: Chunked\r\n\r\n", Framing::Chunked, true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", Framing::Length(0), false),
            ("HTTP/1.1 200 OK\r\n\r\n", Framing::UntilClose, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", Framing::None, true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Framing::None, true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::Length(5), false),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n", Framing::Length(5), true),
            ("HTTP/1.1 100 Continue\r\n\r\n", Framing::None, true),
        ];
        for (text, framing, keep_alive) in cases {
            let (head, length) = Head::read(text.as_bytes(), false).unwrap().unwrap();
            assert_eq!((head.framing, head.keep_alive, length), (framing, keep_alive, text.len()), "{text}");
            let (head, _) = Head::read(text.as_bytes(), true).unwrap().unwrap();
            assert_eq!(head.framing, Framing::None, "to HEAD: {text}");
        }
    }

    #[test]
    fn finds_the_server_id_without_its_spaces() {
        let text = b"HTTP/1.1 200 OK\r\nx-SERVER-id: \t b2 \r\nContent-Length: 0\r\n\r\n";
        let (head, _) = Head::read(text, false).unwrap().unwrap();
        assert_eq!(&text[head.server_id], b"b2");
    }

    #[test]
    fn refuses_what_is_no_response() {
        for text in [
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 600 OK\r\n\r\n",
            "HTTP/1.1 2000\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\nName\r\n\r\n",
            "HTTP/1.1 200 OK\r\nName : x\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        ] {
            assert!(Head::read(text.as_bytes(), false).is_err(), "{text:?}");
        }
    }
}
