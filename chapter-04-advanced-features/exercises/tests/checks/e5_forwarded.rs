//! The checks of exercise 4.5.

use std::net::IpAddr;
use std::sync::mpsc;
use std::thread;

use integration_tests::{rng::Rng, wait::TEST_TIMEOUT};

use crate::exercise_checks;

type ClientAddress = fn(IpAddr, &[&[u8]], &dyn Fn(IpAddr) -> bool) -> IpAddr;

exercise_checks!(
    exercises_04,
    e5_forwarded::client_address,
    [
        header_of_an_untrusted_peer_is_ignored,
        first_untrusted_address_from_the_right_is_the_client,
        several_headers_are_one_list,
        obfuscated_node_ends_the_search,
        ports_and_other_pairs_are_skipped,
        invalid_element_ends_the_search,
        separators_in_quotes_do_not_separate,
        ipv4_mapped_address_is_the_ipv4_address,
        untrusted_elements_do_not_change_those_on_the_right,
        no_input_panics,
        long_headers_are_read_in_linear_time,
    ]
);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether the address is a trusted one: 10.0.0.0/8, or `fd00::/8`.
fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

#[track_caller]
fn assert_client(client_address: ClientAddress, peer: &str, headers: &[&[u8]], expected: &str) {
    let shown: Vec<_> = headers.iter().map(|header| header.escape_ascii().to_string()).collect();
    let found = client_address(ip(peer), headers, &is_trusted);
    assert_eq!(found, ip(expected), "the client behind {peer}, with `{}`", shown.join("` and `"));
}

/// Behind 10.0.0.1, which is trusted.
#[track_caller]
fn assert_behind(client_address: ClientAddress, header: &str, expected: &str) {
    assert_client(client_address, "10.0.0.1", &[header.as_bytes()], expected);
}

fn header_of_an_untrusted_peer_is_ignored(client_address: ClientAddress) {
    for header in ["for=192.0.2.7", "for=10.0.0.9", "for=10.0.0.9, for=10.0.0.8", "nonsense", ""] {
        assert_client(client_address, "198.51.100.4", &[header.as_bytes()], "198.51.100.4");
        assert_client(client_address, "2001:db8::4", &[header.as_bytes()], "2001:db8::4");
    }
    assert_client(client_address, "198.51.100.4", &[], "198.51.100.4");
    assert_client(client_address, "10.0.0.1", &[], "10.0.0.1");
}

fn first_untrusted_address_from_the_right_is_the_client(client_address: ClientAddress) {
    assert_behind(client_address, "for=192.0.2.7", "192.0.2.7");
    assert_behind(client_address, "for=6.6.6.6, for=192.0.2.7", "192.0.2.7");
    assert_behind(client_address, "for=6.6.6.6, for=192.0.2.7, for=10.0.0.2", "192.0.2.7");
    assert_behind(client_address, "for=10.0.0.66,for=192.0.2.7,for=10.0.0.3,for=10.0.0.2", "192.0.2.7");
    assert_behind(client_address, "for=10.0.0.5, for=10.0.0.2", "10.0.0.5");
    assert_behind(client_address, "for=10.0.0.5 \t,\t for=\"[fd00::2]\"", "10.0.0.5");
    assert_behind(client_address, "for=\"[2001:db8::7]\"", "2001:db8::7");
}

fn several_headers_are_one_list(client_address: ClientAddress) {
    let (six, seven, two): (&[u8], &[u8], &[u8]) = (b"for=6.6.6.6", b"for=192.0.2.7", b"for=10.0.0.2");
    assert_client(client_address, "10.0.0.1", &[six, seven], "192.0.2.7");
    assert_client(client_address, "10.0.0.1", &[six, seven, two], "192.0.2.7");
    assert_client(client_address, "10.0.0.1", &[six, b"for=192.0.2.7, for=10.0.0.3", two], "192.0.2.7");
    assert_client(client_address, "10.0.0.1", &[b"", seven, b"", b" , ", two, b""], "192.0.2.7");
}

fn obfuscated_node_ends_the_search(client_address: ClientAddress) {
    for hidden in ["unknown", "_gate7", "\"_gate7:_p\"", "\"unknown:80\""] {
        assert_behind(client_address, &format!("for={hidden}"), "10.0.0.1");
        assert_behind(client_address, &format!("for=6.6.6.6, for={hidden}, for=10.0.0.2"), "10.0.0.2");
    }
    assert_behind(client_address, "for=6.6.6.6, proto=https, for=10.0.0.2", "10.0.0.2");
    assert_behind(client_address, "for=6.6.6.6, ;, for=10.0.0.2", "10.0.0.2");
}

fn ports_and_other_pairs_are_skipped(client_address: ClientAddress) {
    for element in [
        "for=\"192.0.2.7:4711\"",
        "for=\"192.0.2.7:_door.1-a\"",
        "For=192.0.2.7",
        "FOR=\"192.0.2.7\"",
        "proto=http;for=192.0.2.7;by=203.0.113.43",
        "by=\"[2001:db8::1]:80\";host=\"a.example:80\";for=192.0.2.7",
        "before=6.6.6.6;for=192.0.2.7;xfor=6.6.6.6",
        "host=\"for=6.6.6.6\" ; for=192.0.2.7",
        ";for=192.0.2.7;",
        "proto=http;;for=192.0.2.7",
    ] {
        assert_behind(client_address, element, "192.0.2.7");
        assert_behind(client_address, &format!("for=6.6.6.6, {element}, for=10.0.0.2"), "192.0.2.7");
        assert_behind(client_address, &format!("for=6.6.6.6,,{element}, ,for=10.0.0.2;proto=http,"), "192.0.2.7");
    }
    for address in ["\"[2001:db8::7]:4711\"", "\"[2001:DB8:0:0:0:0:0:7]\"", "\"[2001:db8::7]:_x\""] {
        assert_behind(client_address, &format!("proto=https;for={address}"), "2001:db8::7");
    }
}

fn invalid_element_ends_the_search(client_address: ClientAddress) {
    for element in [
        "192.0.2.7",
        "for",
        "for=",
        "for=\"\"",
        "for:192.0.2.7",
        "for =192.0.2.7",
        "for= 192.0.2.7",
        "for=192.0.2.7:4711",
        "for=[2001:db8::7]",
        "for=\"2001:db8::7\"",
        "for=\"[192.0.2.7]\"",
        "for=\"[2001:db8::7\"",
        "for=\"[2001:db8::7]4711\"",
        "for=\"[2001:db8::7%1]\"",
        "for=\"192.0.2.7:\"",
        "for=\"192.0.2.7:471100\"",
        "for=\"192.0.2.7:+80\"",
        "for=\"192.0.2.7:_\"",
        "for=\"192.0.2.7 \"",
        "for=\" 192.0.2.7\"",
        "for=192.0.2",
        "for=192.0.2.07",
        "for=192.0.2.256",
        "for=3221225991",
        "for=192.0.2.7;for=192.0.2.7",
        "for=192.0.2.7;For=10.0.0.2",
        "for=192.0.2.7;a=1;A=2",
        "for=192.0.2.7 proto=http",
        "for=192.0.2.7;proto",
        "for=192.0.2.7;=http",
        "for=192.0.2.7;pro to=http",
        "for=192.0.2.7;host=a.example:80",
        "for=\"192.0.2.7\"x",
        "for=\"192.0.2.7\"\"\"",
        "for=192.0.2.7;host=\"a\u{1}b\"",
        "for=192.0.2.7;\u{a0}proto=http",
        "f\u{f6}r=192.0.2.7",
    ] {
        assert_behind(client_address, element, "10.0.0.1");
        assert_behind(client_address, &format!("for=6.6.6.6, {element}, for=10.0.0.2"), "10.0.0.2");
    }
}

fn separators_in_quotes_do_not_separate(client_address: ClientAddress) {
    for pair in [
        r#"host="a, for=6.6.6.6""#,
        r#"host="a;for=6.6.6.6""#,
        r#"host="a\", for=6.6.6.6""#,
        r#"host="a\\""#,
        r#"host="\\\", for=6.6.6.6, \"""#,
        r#"host=",""#,
        r#"host="""#,
        r#"host="\,\;\=\a""#,
        "host=\"\t \u{e9}\"",
    ] {
        assert_behind(client_address, &format!("for=192.0.2.7;{pair}"), "192.0.2.7");
        assert_behind(client_address, &format!("{pair};for=192.0.2.7"), "192.0.2.7");
        assert_behind(
            client_address,
            &format!("for=6.6.6.6;{pair}, {pair};for=192.0.2.7,for=10.0.0.2;{pair}"),
            "192.0.2.7",
        );
    }
    assert_behind(client_address, r#"for="192\.0.2\.7""#, "192.0.2.7");
    assert_behind(client_address, r#"for="\[2001:db8::\7\]""#, "2001:db8::7");
}

fn ipv4_mapped_address_is_the_ipv4_address(client_address: ClientAddress) {
    assert_client(client_address, "::ffff:10.0.0.1", &[b"for=192.0.2.7"], "192.0.2.7");
    assert_client(client_address, "::ffff:198.51.100.4", &[b"for=192.0.2.7"], "198.51.100.4");
    assert_behind(client_address, "for=6.6.6.6, for=192.0.2.7, for=\"[::ffff:10.0.0.2]\"", "192.0.2.7");
    assert_behind(client_address, "for=6.6.6.6, for=\"[::ffff:192.0.2.7]:80\"", "192.0.2.7");
    assert_behind(client_address, "for=6.6.6.6, for=\"[::ffff:c000:207]\"", "192.0.2.7");
    assert_behind(client_address, "for=\"[::192.0.2.7]\"", "::192.0.2.7");
}

fn untrusted_elements_do_not_change_those_on_the_right(client_address: ClientAddress) {
    let untrusted: [&[u8]; 13] = [
        b"for=\"6.6.6.6",
        b"for=6.6.6.6;x=\"",
        b"for=6.6.6.6;x=\"\\",
        b"\"",
        b"\\",
        b"\"\"\"",
        b"for=6.6.6.6;x=\"a\\\"",
        b"for=6.6.6.6, for=\"10.0.0.3",
        b";=,;=\"",
        b"for=10.0.0.9;x=\"\\\\\"\"",
        b"\xff\xfe\"\x80",
        b"for=6.6.6.6\0",
        b"for=6.6.6.6;x=\",for=10.0.0.4;y=",
    ];
    let trusted: [&[u8]; 3] = [
        b"for=192.0.2.7",
        b"for=\"[2001:db8::7]:4711\";proto=https, for=10.0.0.2",
        b"proto=http;for=192.0.2.7;host=\"x\\\"y, z\", for=\"10.0.0.3:1\"",
    ];
    for prefix in untrusted {
        for (suffix, expected) in trusted.iter().zip(["192.0.2.7", "2001:db8::7", "192.0.2.7"]) {
            // Our proxies have appended to the client's header, or added one of their own.
            assert_client(client_address, "10.0.0.1", &[&[prefix, b", ", suffix].concat()], expected);
            assert_client(client_address, "10.0.0.1", &[&[prefix, b",", suffix].concat()], expected);
            assert_client(client_address, "10.0.0.1", &[prefix, suffix], expected);
        }
    }
}

fn no_input_panics(client_address: ClientAddress) {
    let pieces: [&[u8]; 14] = [
        b"for=",
        b"\"",
        b"\\",
        b",",
        b";",
        b"=",
        b" ",
        b"[",
        b"]",
        b":",
        b"192.0.2.7",
        b"[2001:db8::7]",
        b"\xc3",
        b"10.0.0.2",
    ];
    let mut seed = Rng::new(5);
    for _ in 0..20_000 {
        let prefix: Vec<u8> = (0..seed.below(12)).flat_map(|_| seed.pick(&pieces).to_vec()).collect();
        client_address(ip("10.0.0.1"), &[&prefix], &is_trusted);
        assert_client(client_address, "10.0.0.1", &[&[&prefix[..], b", for=192.0.2.7"].concat()], "192.0.2.7");
    }
}

fn long_headers_are_read_in_linear_time(client_address: ClientAddress) {
    // Each is fast if every byte is read once, and takes a minute or more in quadratic time, also on a fast machine.
    let long = 3_000_000;
    let names = (0..long / 8).fold(String::new(), |all, number| all + "a" + &number.to_string() + "=1;");
    let headers = [
        ("many pairs", format!("{names}for=192.0.2.7"), "192.0.2.7"),
        ("many elements", "for=10.0.0.3,".repeat(long / 13), "10.0.0.3"),
        ("commas", ",".repeat(long), "10.0.0.1"),
        ("backslashes", format!("for=192.0.2.7;host=\"{}\"", r"\\".repeat(long / 2)), "192.0.2.7"),
        ("escaped quotes", format!("for=192.0.2.7;host=\"{}\"", r#"\""#.repeat(long / 2)), "192.0.2.7"),
        ("quotes", "\"".repeat(long), "10.0.0.1"),
    ];
    for (what, header, expected) in headers {
        let (done, found) = mpsc::channel();
        thread::spawn(move || done.send(client_address(ip("10.0.0.1"), &[header.as_bytes()], &is_trusted)));
        let found = found.recv_timeout(TEST_TIMEOUT);
        let found = found.unwrap_or_else(|_| panic!("three megabytes of {what} should be read at once, but is not"));
        assert_eq!(found, ip(expected), "the client behind 10.0.0.1, with three megabytes of {what}");
    }
}
