//! The shape of a local reply, a response that the balancer itself generates: a 4xx, a 502, a 503, a 504.

use crate::checker::Framing;
use crate::client::Response;

/// Plain text, one line, with a Date and an exact length.
pub(crate) fn check(response: &Response) -> Result<(), String> {
    let fields = response.fields();
    let fail = |what: &str| Err(format!("{what}: {response:?}"));
    match response.framing {
        Framing::Length(length) if length == response.body.len() as u64 && length > 0 => {}
        _ => return fail("a local reply has a length and a body"),
    }
    if fields.all("content-type") != ["text/plain; charset=utf-8"] {
        return fail("the content type of a local reply");
    }
    if response.text().trim_end().lines().count() != 1 {
        return fail("a local reply is one line of text");
    }
    match fields.all("date").as_slice() {
        [date] if is_imf_fixdate(date) => Ok(()),
        _ => fail("a local reply carries one Date"),
    }
}

/// Panics unless `response` is a local reply with this status.
pub(crate) fn assert_local(response: &Response, status: u16) {
    assert_eq!(response.status(), status, "{response:?}");
    check(response).unwrap();
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7), in this century.
fn is_imf_fixdate(date: &str) -> bool {
    let shape = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    date.len() == shape.len()
        && date.ends_with(" GMT")
        && date[12..].starts_with("20")
        && date.bytes().zip(shape.bytes()).all(|(byte, kind)| match kind {
            b'0' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            _ => byte == kind || byte.is_ascii_uppercase(),
        })
}

#[test]
fn tells_a_date_from_what_looks_like_one() {
    assert!(is_imf_fixdate("Thu, 20 Nov 2025 10:38:00 GMT"));
    for wrong in ["", "Thu, 20 Nov 2025 10:38:00 UTC", "Thursday, 20-Nov-25 10:38:00 GMT"] {
        assert!(!is_imf_fixdate(wrong), "{wrong}");
    }
}
