//! The checks of exercise 9.3.

use exercises_09::contracts::{HeaderReader, Progress, Refused};
use integration_tests::rng::Rng;
use zero_copy::proxy_protocol::{self, Parsed, ProxyHeader};

use crate::exercise_checks;

type Reader = fn() -> Box<dyn HeaderReader>;

exercise_checks!(
    exercises_09,
    e3_proxy_header::reader,
    [
        a_line_is_read_however_it_is_cut,
        what_follows_is_the_clients,
        a_line_is_refused_at_its_first_byte_without_a_place,
        mutated_lines_are_read_as_the_balancer_reads_them,
        the_memory_is_bounded,
    ]
);

/// An IPv6 address of 39 bytes.
const LONG: &str = "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff";

fn lines() -> Vec<(String, ProxyHeader)> {
    let proxy = |source: &str, destination: &str| ProxyHeader::Proxy {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    };
    let long = format!("[{LONG}]:65535");
    let lines = [
        ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443".into(), proxy("192.0.2.1:56324", "198.51.100.7:443")),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535".into(),
            proxy("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0".into(), proxy("0.0.0.0:0", "0.0.0.0:0")),
        ("PROXY TCP6 2001:DB8::a ::1 1 2".into(), proxy("[2001:db8::a]:1", "[::1]:2")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6407 1 2".into(), proxy("192.0.2.1:1", "198.51.100.7:2")),
        (format!("PROXY TCP6 {LONG} {LONG} 65535 65535"), proxy(&long, &long)),
        ("PROXY UNKNOWN".into(), ProxyHeader::Local),
        ("PROXY UNKNOWN  anything \u{0}\u{e9} 1".into(), ProxyHeader::Local),
        (format!("PROXY UNKNOWN {LONG} {LONG} 65535 65535"), ProxyHeader::Local),
    ];
    lines.into_iter().map(|(line, header)| (line + "\r\n", header)).collect()
}

/// Pushes byte by byte. What is said last, and after how many bytes.
fn read(reader: Reader, bytes: &[u8]) -> (Result<Progress, Refused>, usize) {
    let mut reader = reader();
    for (index, byte) in bytes.iter().enumerate() {
        let progress = reader.push(&[*byte]);
        if progress != Ok(Progress::Incomplete) {
            return (progress, index + 1);
        }
    }
    (Ok(Progress::Incomplete), bytes.len())
}

fn a_line_is_read_however_it_is_cut(reader: Reader) {
    for (line, header) in lines() {
        let bytes = line.as_bytes();
        assert_eq!(read(reader, bytes), (Ok(Progress::Complete { header, taken: 1 }), bytes.len()), "{line:?}");
        for cut in 0..bytes.len() {
            let mut reader = reader();
            assert_eq!(reader.push(&bytes[..cut]), Ok(Progress::Incomplete), "{line:?}, the first {cut} bytes");
            let complete = Ok(Progress::Complete { header, taken: bytes.len() - cut });
            assert_eq!(reader.push(&bytes[cut..]), complete, "{line:?}, cut after {cut} bytes");
        }
    }
}

fn what_follows_is_the_clients(reader: Reader) {
    for (line, header) in lines() {
        for rest in ["GET / HTTP/1.1\r\n\r\n", "\r\n", "\n", "PROXY UNKNOWN\r\n"] {
            let bytes = [line.as_bytes(), rest.as_bytes()].concat();
            let complete = Ok(Progress::Complete { header, taken: line.len() });
            assert_eq!(reader().push(&bytes), complete, "{line:?} before {rest:?}");
            let (mut reader, cut) = (reader(), line.len() - 3);
            assert_eq!(reader.push(&bytes[..cut]), Ok(Progress::Incomplete));
            assert_eq!(reader.push(&bytes[cut..]), Ok(Progress::Complete { header, taken: 3 }), "{line:?}");
        }
    }
}

/// Each text can become a header without its last byte, and is refused with it.
fn a_line_is_refused_at_its_first_byte_without_a_place(reader: Reader) {
    for text in [
        "G",
        "PU",
        "PROX ",
        "PROXY\r",
        "PROXY  ",
        "PROXY \r",
        "PROXY U\r",
        "PROXY TCP5",
        "PROXY t",
        "PROXY TCP ",
        "PROXY UNKNOWNS",
        "PROXY UNKNOWN\n",
        "PROXY UNKNOWN x\n",
        "PROXY UNKNOWN x\rx",
        "PROXY TCP4\r",
        "PROXY TCP4  ",
        "PROXY TCP4 :",
        "PROXY TCP4 a",
        "PROXY TCP4 1.2.3.04 ",
        "PROXY TCP4 1.2.3 ",
        "PROXY TCP4 1.2.3.4\t",
        "PROXY TCP4 255.255.255.2555",
        "PROXY TCP4 1.2.3.4 1.2.3.4\r",
        "PROXY TCP6 g",
        "PROXY TCP6 1.2.3.4 ",
        "PROXY TCP6 ::1%",
        "PROXY TCP6 [",
        "PROXY TCP6 1::2::3 ",
        "PROXY TCP6 1:2:3:4:5:6:7 ",
        "PROXY TCP4 1.2.3.4 1.2.3.4  ",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +",
        "PROXY TCP4 1.2.3.4 1.2.3.4 00",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 01",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ",
        &format!("PROXY UNKNOWN {}", "x".repeat(92)),
        &format!("PROXY UNKNOWN {}\rx", "x".repeat(91)),
    ] {
        let length = text.len();
        assert_eq!(read(reader, text.as_bytes()), (Err(Refused), length), "{text:?}, byte by byte");
        let mut whole = reader();
        assert_eq!(whole.push(format!("{text} 1 2\r\n").as_bytes()), Err(Refused), "{text:?} in a longer line");
    }
}

/// The balancer's own reader looks at all bytes again with each that arrives.
fn mutated_lines_are_read_as_the_balancer_reads_them(reader: Reader) {
    const BYTES: &[u8] = b" \r\n.:%0125609afFxPTUCN\0\xff";
    let mut rng = Rng::new(93);
    let (mut refused, mut complete) = (0, 0);
    for (line, _) in lines().into_iter().cycle().take(20_000) {
        let mut bytes = line.into_bytes();
        for _ in 0..=rng.below(2) {
            // The first byte stays: others belong to version 2.
            let place = 1 + rng.below(bytes.len() - 1);
            let byte = BYTES[rng.below(BYTES.len())];
            match rng.below(3) {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        let said = String::from_utf8_lossy(&bytes).into_owned();
        let end = (0..=bytes.len()).find(|end| proxy_protocol::parse(&bytes[..*end]) != Ok(Parsed::Incomplete));
        let (progress, at) = read(reader, &bytes);
        match end.map(|end| (end, proxy_protocol::parse(&bytes[..end]))) {
            None => {
                // The balancer waits; a reader that already knows better may refuse.
                assert!(!matches!(progress, Ok(Progress::Complete { .. })), "{said:?} is no header");
            }
            Some((end, Ok(Parsed::Complete { header, .. }))) => {
                complete += 1;
                assert_eq!((progress, at), (Ok(Progress::Complete { header, taken: 1 }), end), "{said:?}");
            }
            Some((end, _)) => {
                refused += 1;
                assert_eq!(progress, Err(Refused), "{said:?}");
                assert!(at <= end, "{said:?} is refused after {at} bytes, and could be after {end}");
            }
        }
    }
    assert!(refused > 1_000 && complete > 1_000, "{refused} lines refused, {complete} complete");
}

fn the_memory_is_bounded(reader: Reader) {
    for (line, _) in lines() {
        let mut reader = reader();
        for byte in line.bytes() {
            let progress = reader.push(&[byte]);
            assert!(progress.is_ok(), "{line:?}");
            let bytes = reader.memory();
            assert!((1..=512).contains(&bytes), "{bytes} bytes of memory");
        }
    }
    // A peer that sends something else, much at a time.
    let mut reader = reader();
    let _ = reader.push(b"PROXY UNKNOWN ");
    assert_eq!(reader.push(&vec![b'x'; 1 << 20]), Err(Refused));
    assert!(reader.memory() <= 512, "{} bytes of memory after a long line", reader.memory());
}
