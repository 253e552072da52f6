//! The checks of exercise 2.3.

use exercises_02::contracts::{ChunkedDecoder, MalformedBody};

use crate::exercise_checks;

exercise_checks!(
    exercises_02,
    e3_chunked_decoder::decoder,
    [
        a_body_in_one_piece_is_decoded,
        any_split_gives_the_same_result,
        bytes_after_the_body_are_not_consumed,
        lenient_encodings_are_malformed,
        an_error_is_reported_at_its_byte_and_persists,
        a_size_of_sixteen_digits_allocates_nothing,
        discarded_bytes_are_bounded,
    ]
);

/// Bodies, and their decoded data.
const BODIES: [(&str, &str); 4] = [
    ("0\r\n\r\n", ""),
    ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
    ("1;a=\"b;c\"\r\nx\r\n00B;b\r\n0\r\n\r\n6789\t\n\r\n0000\r\n\r\n", "x0\r\n\r\n6789\t\n"),
    ("2\r\n\r\n\r\n0;last\r\nX-Sum: 1, 2\r\nEmpty:\r\nTab:\t\r\n\r\n", "\r\n"),
];

/// The result of a decoder.
#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    data: String,
    consumed: usize,
    complete: bool,
    malformed: bool,
}

/// Feeds `pieces` until one is malformed.
fn decode<D: ChunkedDecoder>(new: fn() -> D, pieces: &[&[u8]]) -> Decoded {
    let (mut decoder, mut data, mut consumed, mut malformed) = (new(), Vec::new(), 0, false);
    for piece in pieces {
        let Ok(used) = decoder.feed(piece, &mut data) else {
            malformed = true;
            break;
        };
        let shown = piece.escape_ascii();
        let length = piece.len();
        assert!(used <= length, "`feed` should use at most the {length} bytes of {shown}, but returns {used}");
        let is_all = used == length || decoder.is_complete();
        assert!(is_all, "inside the body `feed` should use all {length} bytes of {shown}, but returns {used}");
        consumed += used;
    }
    Decoded { data: data.escape_ascii().to_string(), consumed, complete: decoder.is_complete(), malformed }
}

fn whole(body: &str, data: &str) -> Decoded {
    Decoded { data: data.escape_default().to_string(), consumed: body.len(), complete: true, malformed: false }
}

fn a_body_in_one_piece_is_decoded<D: ChunkedDecoder>(new: fn() -> D) {
    for (body, data) in valid() {
        let decoded = decode(new, &[body.as_bytes()]);
        assert_eq!(decoded, whole(&body, &data), "what is decoded from {}", body.escape_default());
    }
}

fn any_split_gives_the_same_result<D: ChunkedDecoder>(new: fn() -> D) {
    for (body, data) in valid() {
        let bytes = body.as_bytes();
        for at in 0..=bytes.len() {
            let (first, rest) = bytes.split_at(at);
            let shown = format!("{} and then {}", first.escape_ascii(), rest.escape_ascii());
            assert_eq!(decode(new, &[first, rest]), whole(&body, &data), "what is decoded from {shown}");
            for then in 0..=rest.len().min(12) {
                let (second, third) = rest.split_at(then);
                let decoded = decode(new, &[first, second, third]);
                assert_eq!(decoded, whole(&body, &data), "what is decoded from {shown}, cut after {then} more");
            }
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(decode(new, &single), whole(&body, &data), "byte by byte: {}", body.escape_default());
    }
}

fn bytes_after_the_body_are_not_consumed<D: ChunkedDecoder>(new: fn() -> D) {
    for (body, data) in valid() {
        for next in ["GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n", "\r\n"] {
            let input = format!("{body}{next}");
            let decoded = decode(new, &[input.as_bytes()]);
            assert_eq!(decoded, whole(&body, &data), "what is decoded from {}", input.escape_default());
            let at = input.len() - 1;
            let pieces = [&input.as_bytes()[..at], &input.as_bytes()[at..]];
            assert_eq!(decode(new, &pieces), whole(&body, &data), "after the end: {}", input.escape_default());
        }
    }
}

/// Each is malformed in its last byte, and only there.
const BAD: [&str; 33] = [
    "\r",
    "\n",
    " ",
    "g",
    "+",
    "-",
    "0x",
    "5 ",
    "5\t",
    "5\n",
    "5\rh",
    ";",
    "00000000000000001",
    "12345678901234567",
    "5;a\n",
    "5;a\x01",
    "5;a\x7f",
    "5;a\r\r",
    "5\r\nhello\n",
    "5\r\nhello5",
    "5\r\nhello\r0",
    "5\r\nhello\r\n\r",
    "5\r\nhello\r\n+",
    "0\r\n\n",
    "0\r\n\r\r",
    "0\r\n ",
    "0\r\n:",
    "0\r\nX\r",
    "0\r\nX ",
    "0\r\nX: 1\n",
    "0\r\nX: 1\r\r",
    "0\r\nX: \0",
    "0\r\nX: 1\r\n ",
];

fn lenient_encodings_are_malformed<D: ChunkedDecoder>(new: fn() -> D) {
    for bad in BAD {
        // These would complete the body if the bad byte were accepted.
        for rest in ["", "\n", "\r\n", "hello\r\n0\r\n\r\n", "\n0\r\n\r\n", "\nhello\r\n0\r\n\r\n"] {
            let input = format!("{bad}{rest}");
            let got = decode(new, &[input.as_bytes()]);
            let is_rejected = got.malformed && !got.complete;
            assert!(is_rejected, "{} should be malformed, but is decoded as {got:?}", input.escape_default());
        }
    }
}

fn an_error_is_reported_at_its_byte_and_persists<D: ChunkedDecoder>(new: fn() -> D) {
    for bad in BAD {
        let shown = bad.escape_default();
        for at in 0..bad.len() {
            let (mut decoder, mut data) = (new(), Vec::new());
            let (first, rest) = bad.as_bytes().split_at(at);
            assert_eq!(decoder.feed(first, &mut data), Ok(at), "the first {at} bytes of {shown}, which are valid");
            assert_eq!(decoder.feed(rest, &mut data), Err(MalformedBody), "{shown}, from byte {at} on");
            let length = data.len();
            for more in ["", "0\r\n\r\n", "\n"] {
                assert_eq!(
                    decoder.feed(more.as_bytes(), &mut data),
                    Err(MalformedBody),
                    "after {shown}, which is malformed"
                );
            }
            let has_stopped = data.len() == length && !decoder.is_complete();
            assert!(has_stopped, "after {shown} there should be no more data and no end, but it went on");
        }
    }
}

fn a_size_of_sixteen_digits_allocates_nothing<D: ChunkedDecoder>(new: fn() -> D) {
    for size in ["ffffffffffffffff", "7FFFFFFFFFFFFFFF", "0000000040000000", "8000000000000000"] {
        let (mut decoder, mut data) = (new(), Vec::new());
        let input = format!("{size}\r\nhello");
        assert_eq!(decoder.feed(input.as_bytes(), &mut data), Ok(input.len()), "{size} is a valid size");
        assert_eq!(data.escape_ascii().to_string(), "hello", "the data so far");
        let capacity = data.capacity();
        assert!(capacity < 1 << 20, "for five bytes little should be allocated, but {capacity} bytes are");
        assert!(!decoder.is_complete(), "after five bytes of {size} the body should go on, but it is complete");
    }
}

fn discarded_bytes_are_bounded<D: ChunkedDecoder>(new: fn() -> D) {
    let extension = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes - 1));
    let body = extension(256);
    assert_eq!(decode(new, &[body.as_bytes()]), whole(&body, "x"), "256 bytes of extension, with the `;`");
    let long_values = format!("0\r\n{}\r\n", format!("X: {}\r\n", "v".repeat(95)).repeat(80));
    assert_eq!(decode(new, &[long_values.as_bytes()]), whole(&long_values, ""), "80 trailers of 100 bytes");
    for (what, start, piece) in [
        ("an extension", "1;", "e".repeat(64)),
        ("a trailer's name", "0\r\n", "n".repeat(64)),
        ("a trailer's value", "0\r\nX:", "v".repeat(64)),
        ("a list of trailers", "0\r\n", String::from("X-Y: abc\r\n")),
    ] {
        let endless = vec![piece.as_bytes(); 1000];
        let pieces: Vec<_> = std::iter::once(start.as_bytes()).chain(endless).collect();
        let got = decode(new, &pieces);
        assert!(got.malformed, "{what} without an end should be malformed, but {} bytes are accepted", got.consumed);
    }
}

/// [`BODIES`], and one whose size has two digits and both cases.
fn valid() -> Vec<(String, String)> {
    let mut bodies: Vec<_> = BODIES.map(|(body, data)| (body.to_owned(), data.to_owned())).into();
    let data = "0123456789abcdef".repeat(11)[..0xab].to_owned();
    bodies.push((format!("aB\r\n{data}\r\n0\r\n\r\n"), data));
    bodies
}
