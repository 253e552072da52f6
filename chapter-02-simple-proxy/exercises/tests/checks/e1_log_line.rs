//! The checks of exercise 2.1.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use common::http::{Exchange, Method, PhaseTimes};
use integration_tests::rng::Rng;

use crate::exercise_checks;

type LogLine = fn(IpAddr, SystemTime, &[u8], &Exchange) -> String;

exercise_checks!(
    exercises_02,
    e1_log_line::log_line,
    [
        an_exchange_is_one_line_in_the_common_log_format,
        dates_and_addresses_are_formatted,
        missing_bytes_and_request_are_a_dash,
        a_client_cannot_close_the_quotes,
        a_client_cannot_forge_a_second_line,
        escaped_bytes_can_be_decoded,
    ]
);

/// 12:00:00 on 20 November 2026.
const NOON: u64 = 1_795_176_000;

fn exchange(status: u16, bytes_from_backend: u64, milliseconds: u64) -> Exchange {
    Exchange {
        method: Some(Method::Get),
        status,
        backend: None,
        reused: false,
        retries: 0,
        local_reply: false,
        has_response: true,
        group: None,
        route: None,
        end_reason: "done",
        bytes_from_client: 7,
        bytes_from_backend,
        times: PhaseTimes { total: Duration::from_millis(milliseconds), ..PhaseTimes::default() },
        failure: None,
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn line_for(log_line: LogLine, request_line: &[u8]) -> String {
    log_line([127, 0, 0, 1].into(), at(NOON), request_line, &exchange(200, 14, 3))
}

fn an_exchange_is_one_line_in_the_common_log_format(log_line: LogLine) {
    assert_eq!(
        line_for(log_line, b"GET /a HTTP/1.1"),
        r#"127.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 14 0.003"#
    );
}

fn dates_and_addresses_are_formatted(log_line: LogLine) {
    let client = "2001:db8::1".parse().unwrap();
    let cases = [
        (0, "[01/Jan/1970:00:00:00 +0000]", 0, "0.000"),
        (951_827_696, "[29/Feb/2000:12:34:56 +0000]", 61_500, "61.500"),
        (1_767_225_599, "[31/Dec/2025:23:59:59 +0000]", 3_600_001, "3600.001"),
    ];
    for (seconds, date, milliseconds, duration) in cases {
        let line = log_line(client, at(seconds), b"PUT /x HTTP/1.1", &exchange(503, 1_234_567, milliseconds));
        assert_eq!(line, format!("2001:db8::1 - - {date} \"PUT /x HTTP/1.1\" 503 1234567 {duration}"));
    }
}

fn missing_bytes_and_request_are_a_dash(log_line: LogLine) {
    let line = log_line([10, 0, 0, 9].into(), at(NOON), b"", &exchange(400, 0, 0));
    assert_eq!(line, r#"10.0.0.9 - - [20/Nov/2026:12:00:00 +0000] "-" 400 - 0.000"#);
}

fn a_client_cannot_close_the_quotes(log_line: LogLine) {
    let line = line_for(log_line, br#"GET /" 200 14 0.001 "\" HTTP/1.1"#);
    assert_eq!(
        line,
        r#"127.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET /\x22 200 14 0.001 \x22\x5C\x22 HTTP/1.1" 200 14 0.003"#
    );
}

fn a_client_cannot_forge_a_second_line(log_line: LogLine) {
    let line = line_for(log_line, b"GET /\r\n10.0.0.1\x0b\x85\x1b[2J\x7f\0\xc2\x85\xe2\x80\xa8 HTTP/1.1");
    let expected = r"GET /\x0D\x0A10.0.0.1\x0B\x85\x1B[2J\x7F\x00\xC2\x85\xE2\x80\xA8 HTTP/1.1";
    assert_eq!(quoted(&line), expected, "every byte that a parser or a terminal may interpret should be escaped");
}

fn escaped_bytes_can_be_decoded(log_line: LogLine) {
    let mut seed = Rng::new(21);
    // The first ones look like escapes, and are none.
    let like_escapes = [&br"GET /\x22 HTTP/1.1"[..], br"\x5C", br"\x4", br"\\x41", br"\"].map(<[u8]>::to_vec);
    let random = (0..200).map(|_| {
        let length = 1 + seed.below(80);
        seed.bytes(length)
    });
    for sent in like_escapes.into_iter().chain(random) {
        let line = line_for(log_line, &sent);
        let logged = quoted(&line);
        let read_back = unescaped(logged).escape_ascii().to_string();
        assert_eq!(read_back, sent.escape_ascii().to_string(), "what can be read back from {logged}");
    }
}

/// The text between the quotes of `line`, which must have exactly two.
fn quoted(line: &str) -> &str {
    let quotes = line.matches('"').count();
    assert_eq!(quotes, 2, "the request line should be between the only two quotes, but the line is {line}");
    line.split('"').nth(1).unwrap()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or_else(|| panic!("two hex digits should follow each `\\x`, but there is {text}")));
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}
