//! The checks of exercise 9.5.

use exercises_09::contracts::{FileVersion, RangeResponse};

use crate::exercise_checks;

type Response = fn(Option<&str>, Option<&str>, FileVersion<'_>) -> RangeResponse;

exercise_checks!(
    exercises_09,
    e5_byte_range::response,
    [
        a_range_has_its_first_and_its_last_byte,
        what_lies_beyond_the_end_is_cut_off,
        a_range_without_a_byte_is_refused,
        what_is_no_single_range_is_ignored,
        a_number_may_be_larger_than_64_bits,
        an_empty_file_has_no_last_bytes,
        a_range_continues_only_the_version_that_the_client_has,
        every_range_of_short_files_has_the_bytes_between_its_positions,
    ]
);

const TAG: &str = "\"a\"";

fn file(size: u64) -> FileVersion<'static> {
    FileVersion { size, entity_tag: TAG }
}

fn whole(size: u64) -> RangeResponse {
    RangeResponse { status: 200, content_range: None, body: 0..size }
}

/// The response with the bytes `first` to `last`.
fn part(first: u64, last: u64, size: u64) -> RangeResponse {
    RangeResponse { status: 206, content_range: Some(format!("bytes {first}-{last}/{size}")), body: first..last + 1 }
}

fn refused(size: u64) -> RangeResponse {
    RangeResponse { status: 416, content_range: Some(format!("bytes */{size}")), body: 0..0 }
}

/// Each value of `Range` gets its response, of a file of `size` bytes.
fn assert_responses(response: Response, size: u64, cases: &[(&str, RangeResponse)]) {
    for (range, expected) in cases {
        assert_eq!(response(Some(range), None, file(size)), *expected, "Range: {range}, of {size} bytes");
    }
}

fn a_range_has_its_first_and_its_last_byte(response: Response) {
    assert_eq!(response(None, None, file(10)), whole(10), "without a range");
    let cases = [("bytes=0-0", part(0, 0, 10)), ("bytes=2-5", part(2, 5, 10)), ("bytes=0-9", part(0, 9, 10))];
    assert_responses(response, 10, &cases);
    assert_responses(response, 10, &[("bytes=2-", part(2, 9, 10)), ("bytes=-3", part(7, 9, 10))]);
    assert_responses(response, 10, &[("Bytes=002-05", part(2, 5, 10))]);
}

fn what_lies_beyond_the_end_is_cut_off(response: Response) {
    let cases = [("bytes=9-10", part(9, 9, 10)), ("bytes=0-99", part(0, 9, 10)), ("bytes=-11", part(0, 9, 10))];
    assert_responses(response, 10, &cases);
}

fn a_range_without_a_byte_is_refused(response: Response) {
    let cases = ["bytes=10-", "bytes=10-10", "bytes=10-99", "bytes=-0"].map(|range| (range, refused(10)));
    assert_responses(response, 10, &cases);
    assert_responses(response, 0, &["bytes=0-", "bytes=0-0", "bytes=-0"].map(|range| (range, refused(0))));
}

fn what_is_no_single_range_is_ignored(response: Response) {
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "lines=0-1",
        "bytes:0-1",
        "bytes=5-2",
        "bytes=0-1,4-5",
        "bytes=0-1, 99-",
        "bytes=+1-2",
        "bytes=1-+2",
        "bytes=--1",
        "bytes=1--2",
        "bytes= 1-2",
        "bytes=1 -2",
        "bytes=1- 2",
        "bytes=1-2 ",
        "bytes =1-2",
        "bytes=a-b",
        "bytes=0x1-2",
        "bytes=1",
        "bytes=1-2-3",
    ] {
        assert_responses(response, 10, &[(range, whole(10))]);
    }
}

fn a_number_may_be_larger_than_64_bits(response: Response) {
    const LARGE: &str = "99999999999999999999999";
    let cases = [
        (format!("bytes=1-{LARGE}"), part(1, 9, 10)),
        ("bytes=1-18446744073709551615".to_owned(), part(1, 9, 10)),
        (format!("bytes=-{LARGE}"), part(0, 9, 10)),
        (format!("bytes={LARGE}-"), refused(10)),
    ];
    for (range, expected) in cases {
        assert_responses(response, 10, &[(&range, expected)]);
    }
}

fn an_empty_file_has_no_last_bytes(response: Response) {
    assert_responses(response, 0, &[("bytes=-1", whole(0)), ("bytes=-99", whole(0))]);
}

fn a_range_continues_only_the_version_that_the_client_has(response: Response) {
    const WEAK: &str = "W/\"a\"";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (entity_tag, if_range, expected) in [
        (TAG, TAG, part(4, 9, 10)),
        (TAG, "\"b\"", whole(10)),
        (TAG, WEAK, whole(10)),
        (WEAK, WEAK, whole(10)),
        (WEAK, TAG, whole(10)),
        (TAG, "a", whole(10)),
        (TAG, "*", whole(10)),
        (TAG, DATE, whole(10)),
    ] {
        let file = FileVersion { size: 10, entity_tag };
        let said = format!("If-Range: {if_range}, of the file {entity_tag}");
        assert_eq!(response(Some("bytes=4-"), Some(if_range), file), expected, "{said}");
        assert_eq!(response(None, Some(if_range), file), whole(10), "{said}, without a range");
        let beyond = if expected.status == 206 { refused(10) } else { whole(10) };
        assert_eq!(response(Some("bytes=99-"), Some(if_range), file), beyond, "{said}, beyond its end");
    }
}

/// The response with those bytes of the file whose positions are asked for.
fn of_positions(size: u64, is_asked_for: impl Fn(u64) -> bool) -> RangeResponse {
    let asked_for: Vec<_> = (0..size).filter(|position| is_asked_for(*position)).collect();
    match (asked_for.first(), asked_for.last()) {
        (Some(first), Some(last)) => part(*first, *last, size),
        _ => refused(size),
    }
}

fn every_range_of_short_files_has_the_bytes_between_its_positions(response: Response) {
    for size in 0..7 {
        for first in 0..9 {
            let from_first = of_positions(size, |position| position >= first);
            assert_responses(response, size, &[(&format!("bytes={first}-"), from_first)]);
            let suffix = of_positions(size, |position| position + first >= size);
            let suffix = if size == 0 && first > 0 { whole(0) } else { suffix };
            assert_responses(response, size, &[(&format!("bytes=-{first}"), suffix)]);
            for last in 0..9 {
                let between = of_positions(size, |position| (first..=last).contains(&position));
                let between = if last < first { whole(size) } else { between };
                assert_responses(response, size, &[(&format!("bytes={first}-{last}"), between)]);
            }
        }
    }
}
