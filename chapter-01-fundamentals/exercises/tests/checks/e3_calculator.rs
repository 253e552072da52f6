//! The checks of exercise 1.3.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use integration_tests::rng::Rng;

use crate::exercise_checks;
use crate::peer::{answer_to, connect, end, listen, next, rest_of, send};

type Serve = fn(&TcpListener) -> io::Result<()>;

exercise_checks!(
    exercises_01,
    e3_calculator::serve,
    [
        each_line_of_a_segment_is_answered,
        a_line_is_answered_when_it_is_complete,
        lines_end_with_lf_or_crlf_or_the_stream,
        an_invalid_line_gets_an_error_and_the_next_line_is_answered,
        segments_make_no_difference,
        a_line_of_1024_bytes_is_answered,
        a_longer_line_gets_an_error_and_a_clean_end,
        a_client_that_does_not_stop_sending_is_disconnected,
        a_client_that_stays_after_the_end_does_not_delay_the_next,
    ]
);

fn start(serve: Serve) -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || serve(&listener));
    address
}

fn each_line_of_a_segment_is_answered(serve: Serve) {
    let sent = b"2 + 3\n2 - 3\n-4 * -5\n7 / 2\n-7 / 2\n9223372036854775806 + 1\n";
    assert_eq!(answer_to(start(serve), sent), "5\\n-1\\n20\\n3\\n-3\\n9223372036854775807\\n");
}

fn a_line_is_answered_when_it_is_complete(serve: Serve) {
    let client = connect(start(serve));
    for byte in b"20 + 22\n" {
        send(&client, &[*byte]);
    }
    assert_eq!(next(&client, 3), "42\\n", "the answer to `20 + 22`, sent byte by byte");
    send(&client, b"1 + 1\n2 +");
    assert_eq!(next(&client, 2), "2\\n", "the answer to `1 + 1`, while the next line has only begun");
    send(&client, b" 2\n");
    assert_eq!(next(&client, 2), "4\\n", "the answer to `2 + 2`, sent in two pieces");
}

fn lines_end_with_lf_or_crlf_or_the_stream(serve: Serve) {
    let address = start(serve);
    assert_eq!(answer_to(address, b"1 + 1\r\n1 + 2\n1 + 3"), "2\\n3\\n4\\n");
    assert_eq!(answer_to(address, b""), "");
}

fn an_invalid_line_gets_an_error_and_the_next_line_is_answered(serve: Serve) {
    let address = start(serve);
    let wrong: [&[u8]; 15] = [
        b"1 / 0",
        b"9223372036854775807 + 1",
        b"-9223372036854775808 - 1",
        b"9223372036854775807 * 2",
        b"-9223372036854775808 / -1",
        b"9223372036854775808 + 0",
        b"",
        b"1",
        b"1 +",
        b"1 + 2 + 3",
        b"1 ^ 2",
        b"one + two",
        b"1.5 + 1",
        b"\xff\xfe + 1",
        b"1 + 2\0",
    ];
    for line in wrong {
        let answer = answer_to(address, &[line, b"\n1 + 1\n"].concat());
        let shown = line.escape_ascii();
        assert!(answer.starts_with("error: "), "`{shown}` should get a line `error: …`, but the answer is `{answer}`");
        assert!(answer.ends_with("\\n2\\n"), "after `{shown}`, `1 + 1` should get `2`, but the answers are `{answer}`");
        let answers = answer.matches("\\n").count();
        assert_eq!(answers, 2, "`{shown}` and `1 + 1` should get a line each, but the answers are `{answer}`");
    }
}

fn segments_make_no_difference(serve: Serve) {
    let address = start(serve);
    let sums = || (0_i64..40).map(|number| (number * 1_234_567, number * 89));
    let lines = sums().map(|(left, right)| format!("{left} + {right}\r\n")).collect::<Vec<_>>().concat();
    let expected = sums().map(|(left, right)| format!("{}\\n", left + right)).collect::<Vec<_>>().concat();
    for number in 0..5 {
        let mut seed = Rng::new(number);
        let client = connect(address);
        let mut rest = lines.as_bytes();
        while !rest.is_empty() {
            let (segment, more) = rest.split_at(rest.len().min(1 + seed.below(40)));
            send(&client, segment);
            rest = more;
        }
        end(&client);
        assert_eq!(rest_of(&client), expected, "the answers to 40 lines, cut into segments by seed {number}");
    }
}

/// A calculation that takes `length` bytes.
fn line_of(length: usize) -> String {
    format!("1{}+ 1", " ".repeat(length - 4))
}

fn a_line_of_1024_bytes_is_answered(serve: Serve) {
    let address = start(serve);
    for end in ["\n", "\r\n", ""] {
        let answer = answer_to(address, format!("{}{end}", line_of(1024)).as_bytes());
        assert_eq!(answer, "2\\n", "the answer to a line of 1024 bytes and its end {end:?}");
    }
}

fn a_longer_line_gets_an_error_and_a_clean_end(serve: Serve) {
    let address = start(serve);
    let endless = "x".repeat(100 * 1024);
    for (what, line) in [
        ("1025 bytes", line_of(1025) + "\n1 + 1\n"),
        ("1025 bytes without an end", line_of(1025)),
        ("100 KiB without an end", endless),
    ] {
        let answer = answer_to(address, format!("3 + 3\n{line}").as_bytes());
        let error_line = answer.strip_prefix("6\\n");
        let error_line = error_line.unwrap_or_else(|| {
            panic!("`3 + 3`, before {what}, should get its `6` first, but the answer is `{answer}`")
        });
        assert!(
            error_line.starts_with("error: "),
            "{what} should get a line `error: …`, but the answer is `{error_line}`"
        );
        let lines = error_line.matches("\\n").count();
        assert_eq!(lines, 1, "{what} should get one line, and then the end, but the answer is `{error_line}`");
    }
    // Several clients, because the time of a reset depends on the server's thread.
    for _ in 0..10 {
        let client = connect(address);
        // More than 1024 bytes and a CRLF, so that it is known to be too long.
        send(&client, line_of(2000).as_bytes());
        let answer = rest_of(&client);
        assert!(answer.starts_with("error: "), "2000 bytes should get a line `error: …`, but get `{answer}`");
        // It is still sending: 40 of the 256 KiB.
        (0..10).for_each(|_| send(&client, &[b'x'; 4096]));
    }
}

fn a_client_that_does_not_stop_sending_is_disconnected(serve: Serve) {
    let address = start(serve);
    let mut client = connect(address);
    let block = vec![b'x'; 64 * 1024];
    let disconnected = (0..1024).any(|_| client.write_all(&block).is_err());
    assert!(
        disconnected,
        "after 256 KiB of a line that is too long the client should be disconnected, but 64 MiB of it were taken"
    );
    assert_eq!(answer_to(address, b"1 + 1\n"), "2\\n", "the answer to the next client");
}

fn a_client_that_stays_after_the_end_does_not_delay_the_next(serve: Serve) {
    let address = start(serve);
    let client = connect(address);
    send(&client, line_of(2000).as_bytes());
    let error_line = rest_of(&client);
    assert!(
        error_line.starts_with("error: "),
        "2000 bytes should get a line `error: …`, but the answer is `{error_line}`"
    );
    assert_eq!(
        answer_to(address, b"1 + 1\n"),
        "2\\n",
        "the answer to the next client, while the first one stays connected"
    );
}
