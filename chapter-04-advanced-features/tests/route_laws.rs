//! Properties of routing that hold for every path, rule and cookie.

use std::{borrow::Cow, net::Ipv4Addr};

use advanced_features::routing::{
    GroupSpec, HashKey, RequestInfo, RouteRule, RouteTable, StickyCookie, StickySecret,
    path::{merge_slashes, normalize},
    pattern::{HostPattern, PathPattern},
};
use common::http::Head;
use proptest::prelude::*;

/// Paths of pieces with a special meaning, most of them not rejected.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let pieces = |pieces: &'static [&str]| prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec());
    let piece = prop_oneof![
        12 => pieces(&["/", "/", "/", ".", "..", "a", "api", "%2e", "%2E", "%61", "/..", "/../"]),
        3 => pieces(&["~", "*", ";", "%3a", "%c3%a9", "%25"]),
        1 => pieces(&["%", "%2f", "%5c", "%00"]),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| [b"/".to_vec(), pieces.concat()].concat())
}

/// The segments that remain after all escapes are decoded, empty segments skipped and dot segments resolved.
fn as_read_leniently(path: &[u8]) -> Vec<Vec<u8>> {
    let mut read: Vec<Vec<u8>> = Vec::new();
    for segment in decoded(path).split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(read.pop()),
            name => read.push(name.to_vec()),
        }
    }
    read
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let digits = rest.get(1..3).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            rest = &rest[3..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

fn segments() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z]{1,3}", 0..4)
}

/// Runs `check` with the routing information of a request, if the parser accepts it.
fn with_request(text: &[u8], check: impl FnOnce(&RequestInfo<'_>)) {
    let mut head = Head::new();
    if let Ok(Some(length)) = head.read_request(text, &mut 0) {
        let info = RequestInfo::new(head.view(&text[..length]), Ipv4Addr::LOCALHOST.into());
        if info.check_path().is_ok() {
            check(&info);
        }
    }
}

proptest! {
    #[test]
    fn normalizing_a_route_path_is_idempotent(path in path()) {
        if let Ok(once) = normalize(&path) {
            prop_assert_eq!(normalize(&once).map(Cow::into_owned), Ok(once.to_vec()));
            let merged = merge_slashes(&once);
            prop_assert_eq!(normalize(&merged).map(Cow::into_owned), Ok(merged.to_vec()), "still normalized");
        }
    }

    #[test]
    fn a_normalized_route_path_has_no_dot_segments(path in path()) {
        if let Ok(normal) = normalize(&path) {
            prop_assert!(normal.starts_with(b"/"));
            for segment in normal.split(|byte| *byte == b'/') {
                prop_assert!(segment != b"." && segment != b"..");
            }
        }
    }

    /// Compares with a simple stack, for paths in which only dots are special.
    #[test]
    fn dot_segments_of_a_route_path_match_a_stack(
        pieces in prop::collection::vec(prop::sample::select(vec![".", "..", "a", "b", "%2e%2E", "%2e"]), 1..9),
    ) {
        let mut stack = Vec::new();
        let mut is_directory = false;
        for piece in &pieces {
            let segment = piece.to_lowercase().replace("%2e", ".");
            is_directory = segment.starts_with('.');
            match segment.as_str() {
                "." => {}
                ".." => drop(stack.pop()),
                name => stack.push(name.to_owned()),
            }
        }
        let mut expected = format!("/{}", stack.join("/"));
        if is_directory && !stack.is_empty() {
            expected.push('/');
        }
        let path = format!("/{}", pieces.join("/"));
        let normal = normalize(path.as_bytes()).unwrap();
        prop_assert_eq!(std::str::from_utf8(&normal).unwrap(), expected);
    }

    #[test]
    fn a_prefix_route_matches_by_whole_segments(prefix in segments(), path in segments(), slash in any::<bool>()) {
        let text = |segments: &[String]| [&[String::new()], segments].concat().join("/");
        let rule = format!("path={}/* -> a", text(&prefix));
        let routes = RouteTable::new(vec![rule.parse().unwrap()], &["a"]).unwrap();
        let mut target = text(&path);
        if slash || target.is_empty() {
            target.push('/');
        }
        with_request(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), |info| {
            assert_eq!(routes.match_rule(info).is_some(), path.starts_with(&prefix), "{rule} {target}");
        });
    }

    /// The most lenient server reads the same path as we do, or the path is rejected: else a rule could be bypassed.
    #[test]
    fn a_route_path_means_the_same_to_a_lenient_server(path in path()) {
        if let Ok(normal) = normalize(&path) {
            prop_assert_eq!(as_read_leniently(&normal), as_read_leniently(&path));
            let plain: Vec<_> = merge_slashes(&normal).split(|byte| *byte == b'/').map(decoded).collect();
            let read = as_read_leniently(&path);
            let names: Vec<_> = plain.into_iter().filter(|segment| !segment.is_empty()).collect();
            prop_assert_eq!(names, read, "no escape or dot segment remains");
        }
    }

    #[test]
    fn no_route_text_panics_and_each_error_is_one_line(text in prop_oneof![
        any::<String>(),
        "(host|path|method|header|query|cookie|x)?=?[ -~é\n]{0,12}( -> ?[a-z]{0,3})?",
        "[a-z]{0,3}=[a-z0-9:,.*\\[\\] -]{0,20}( -a [a-z]{0,2})?",
    ]) {
        let errors = [
            text.parse::<RouteRule>().err().map(|error| error.to_string()),
            text.parse::<GroupSpec>().err().map(|error| error.to_string()),
            text.parse::<HashKey>().err().map(|error| error.to_string()),
        ];
        for line in errors.into_iter().flatten() {
            prop_assert_eq!(line.lines().count(), 1, "{:?}", line);
        }
        let _ = text.parse::<HostPattern>();
        let _ = text.parse::<PathPattern>();
    }

    #[test]
    fn a_displayed_route_rule_can_be_parsed(text in
        "(host=(\\*\\.)?[a-zA-Z]{1,3} )?(path=(/[a-z.%/]{0,6}(/\\*)?|\\*\\.[a-z]{1,3}) )?(method=[A-Z]{1,3}(,[A-Z]{1,3})? )?(header=[a-zA-Z]{1,3}(:[!-~]{0,4})? )?(query=[a-z](:[!-~]{0,4})? )?-> [a-z]{1,3}"
    ) {
        if let Ok(rule) = text.parse::<RouteRule>() {
            prop_assert_eq!(rule.to_string().parse::<RouteRule>(), Ok(rule));
        }
    }

    #[test]
    fn no_request_makes_a_route_panic(
        target in path(),
        host in "[a-zA-Z0-9.:\\[\\]%-]{0,12}",
        cookie in prop::collection::vec(any::<u8>().prop_filter("a line", |byte| !b"\r\n\0".contains(byte)), 0..30),
    ) {
        let rules = [
            "host=*.a path=/api/* -> a", "host=a query=v:2 -> a", "path=*.png cookie=lb -> a", "header=cookie:x -> a",
            "-> a",
        ];
        let routes = RouteTable::new(rules.iter().map(|rule| rule.parse().unwrap()).collect(), &["a"]).unwrap();
        let sticky = StickyCookie::new("lb", StickySecret::new(b"0123456789abcdef").unwrap()).unwrap();
        let head = [b"GET ", target.as_slice(), b" HTTP/1.1\r\nHost: ", host.as_bytes(), b"\r\nCookie: lb=", &cookie];
        with_request(&[&head.concat(), b"\r\n\r\n".as_slice()].concat(), |info| {
            assert_eq!(routes.match_rule(info).map(|(_, group)| group), Some(0));
            assert!(sticky.read_value(info.header_values("cookie")) != Some(sticky.value_for("a:1")), "forged cookie");
            for key in ["source", "host", "path", "target", "cookie:lb", "header:host"] {
                let key: HashKey = key.parse().unwrap();
                let _ = key.hash_request(info, [127, 0, 0, 1].into(), |bytes| bytes.len() as u64);
            }
        });
    }
}
