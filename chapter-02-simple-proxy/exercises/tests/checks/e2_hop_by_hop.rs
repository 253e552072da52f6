//! The checks of exercise 2.2.

use exercises_02::contracts::{Field, ForbiddenConnectionOption};

use crate::exercise_checks;

type EndToEndHeaders = for<'a> fn(&[Field<'a>]) -> Result<Vec<Field<'a>>, ForbiddenConnectionOption>;

exercise_checks!(
    exercises_02,
    e2_hop_by_hop::end_to_end_headers,
    [
        order_case_and_duplicates_are_kept,
        hop_by_hop_headers_are_removed_in_any_case,
        headers_named_by_connection_are_removed,
        several_connection_headers_are_one_list,
        names_are_compared_whole,
        required_headers_cannot_be_named,
    ]
);

/// The headers of a head that is written as lines of `Name: value`.
fn fields(head: &str) -> Vec<Field<'_>> {
    let lines = head.split('\n').filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name, value.as_bytes())).collect()
}

/// The forwarded headers of `head`, in the same form.
fn forwarded_head(end_to_end_headers: EndToEndHeaders, head: &str) -> Result<String, ForbiddenConnectionOption> {
    let line = |(name, value): &Field<'_>| format!("{name}: {}\n", value.escape_ascii());
    Ok(end_to_end_headers(&fields(head))?.iter().map(line).collect())
}

fn order_case_and_duplicates_are_kept(end_to_end_headers: EndToEndHeaders) {
    let head = "hOST: a\nX-B: 2\nX-A: 1\nx-b: 3\nX-B: 2\nCookie: a=1\nX-Empty: \nContent-Length: 5\n";
    assert_eq!(forwarded_head(end_to_end_headers, head).as_deref(), Ok(head), "nothing in it should change");
    let raw: [Field<'_>; 1] = [("X-Raw", b"caf\xe9")];
    assert_eq!(end_to_end_headers(&raw).as_deref(), Ok(&raw[..]), "a value need not be UTF-8 to be forwarded");
}

fn hop_by_hop_headers_are_removed_in_any_case(end_to_end_headers: EndToEndHeaders) {
    for name in [
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    ] {
        for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            let head = format!("Host: a\n{name}: x\nAccept: b\n{name}: y\n");
            assert_eq!(
                forwarded_head(end_to_end_headers, &head).as_deref(),
                Ok("Host: a\nAccept: b\n"),
                "{name} should be removed"
            );
        }
    }
}

fn headers_named_by_connection_are_removed(end_to_end_headers: EndToEndHeaders) {
    let head = "X-Before: 1\nHost: a\nConnection: close, X-BEFORE,x-behind ,\t X-Last\t,, ,\n\
                X-Behind: 2\nX-Other: 3\nx-last: 4\nX-Behind: 5\n";
    assert_eq!(forwarded_head(end_to_end_headers, head).as_deref(), Ok("Host: a\nX-Other: 3\n"));
    let raw: [Field<'_>; 3] = [("Connection", b"\xff, X-A"), ("X-A", b"1"), ("X-B", b"2")];
    let rest: [Field<'_>; 1] = [("X-B", b"2")];
    assert_eq!(end_to_end_headers(&raw).as_deref(), Ok(&rest[..]), "bytes that are not UTF-8 should hide no name");
}

fn several_connection_headers_are_one_list(end_to_end_headers: EndToEndHeaders) {
    let head = "Connection: x-a\nX-A: 1\nX-B: 2\nX-C: 3\nconnection: X-B\nX-D: 4\nCONNECTION: keep-alive, X-D\n";
    assert_eq!(forwarded_head(end_to_end_headers, head).as_deref(), Ok("X-C: 3\n"));
}

fn names_are_compared_whole(end_to_end_headers: EndToEndHeaders) {
    let head = "Connection: X-A, Hos, ontent-Length, close x-c\nX-AB: 1\nX: 2\nX-C: 3\nTrailers: 4\nHost: a\nX-A-: 5\n";
    assert_eq!(
        forwarded_head(end_to_end_headers, head).as_deref(),
        Ok("X-AB: 1\nX: 2\nX-C: 3\nTrailers: 4\nHost: a\nX-A-: 5\n"),
        "`close x-c` is one element, and not the name of a header"
    );
}

fn required_headers_cannot_be_named(end_to_end_headers: EndToEndHeaders) {
    for required in ["Host", "Content-Length", "Transfer-Encoding"] {
        let (lower, upper) = (required.to_lowercase(), required.to_uppercase());
        for head in [
            format!("Connection: {required}\nHost: a\n"),
            format!("Host: a\nX-A: 1\nCONNECTION: close,\t{lower}\t\n"),
            format!("Connection: close\nConnection: x-a\nHost: a\nconnection: ,{upper},\n"),
        ] {
            assert_eq!(
                forwarded_head(end_to_end_headers, &head),
                Err(ForbiddenConnectionOption(required)),
                "the result for\n{head}"
            );
        }
    }
}
