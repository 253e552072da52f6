//! The checks of exercise 4.5.

use std::net::IpAddr;
use std::sync::mpsc;
use std::thread;

use integration_tests::{held_to, seed::Seed, wait::PATIENCE};

type Client = fn(IpAddr, &[&[u8]], &dyn Fn(IpAddr) -> bool) -> IpAddr;

held_to!(
    exercises_04,
    e5_forwarded::client,
    [
        without_a_trusted_peer_nothing_is_believed,
        the_first_from_the_right_that_is_not_trusted_is_the_client,
        several_fields_are_one_list,
        one_that_hides_ends_the_search,
        ports_and_other_pairs_are_read_and_passed_over,
        what_breaks_the_grammar_ends_the_search,
        quotes_hide_what_separates,
        an_address_has_one_spelling,
        a_stranger_changes_nothing_about_what_stands_on_the_right,
        no_bytes_make_it_panic,
        long_fields_are_read_quickly,
    ]
);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether the address is one of ours: 10.0.0.0/8, or `fd00::/8`.
fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

#[track_caller]
fn assert_client(client: Client, peer: &str, fields: &[&[u8]], expected: &str) {
    let shown: Vec<_> = fields.iter().map(|field| field.escape_ascii().to_string()).collect();
    let found = client(ip(peer), fields, &is_ours);
    assert_eq!(found, ip(expected), "the client behind {peer}, with `{}`", shown.join("` and `"));
}

/// Behind 10.0.0.1, which is trusted.
#[track_caller]
fn assert_behind(client: Client, field: &str, expected: &str) {
    assert_client(client, "10.0.0.1", &[field.as_bytes()], expected);
}

fn without_a_trusted_peer_nothing_is_believed(client: Client) {
    for field in ["for=192.0.2.7", "for=10.0.0.9", "for=10.0.0.9, for=10.0.0.8", "nonsense", ""] {
        assert_client(client, "198.51.100.4", &[field.as_bytes()], "198.51.100.4");
        assert_client(client, "2001:db8::4", &[field.as_bytes()], "2001:db8::4");
    }
    assert_client(client, "198.51.100.4", &[], "198.51.100.4");
    assert_client(client, "10.0.0.1", &[], "10.0.0.1");
}

fn the_first_from_the_right_that_is_not_trusted_is_the_client(client: Client) {
    assert_behind(client, "for=192.0.2.7", "192.0.2.7");
    assert_behind(client, "for=6.6.6.6, for=192.0.2.7", "192.0.2.7");
    assert_behind(client, "for=6.6.6.6, for=192.0.2.7, for=10.0.0.2", "192.0.2.7");
    assert_behind(client, "for=10.0.0.66,for=192.0.2.7,for=10.0.0.3,for=10.0.0.2", "192.0.2.7");
    assert_behind(client, "for=10.0.0.5, for=10.0.0.2", "10.0.0.5");
    assert_behind(client, "for=10.0.0.5 \t,\t for=\"[fd00::2]\"", "10.0.0.5");
    assert_behind(client, "for=\"[2001:db8::7]\"", "2001:db8::7");
}

fn several_fields_are_one_list(client: Client) {
    let (six, seven, two): (&[u8], &[u8], &[u8]) = (b"for=6.6.6.6", b"for=192.0.2.7", b"for=10.0.0.2");
    assert_client(client, "10.0.0.1", &[six, seven], "192.0.2.7");
    assert_client(client, "10.0.0.1", &[six, seven, two], "192.0.2.7");
    assert_client(client, "10.0.0.1", &[six, b"for=192.0.2.7, for=10.0.0.3", two], "192.0.2.7");
    assert_client(client, "10.0.0.1", &[b"", seven, b"", b" , ", two, b""], "192.0.2.7");
}

fn one_that_hides_ends_the_search(client: Client) {
    for hidden in ["unknown", "_gate7", "\"_gate7:_p\"", "\"unknown:80\""] {
        assert_behind(client, &format!("for={hidden}"), "10.0.0.1");
        assert_behind(client, &format!("for=6.6.6.6, for={hidden}, for=10.0.0.2"), "10.0.0.2");
    }
    assert_behind(client, "for=6.6.6.6, proto=https, for=10.0.0.2", "10.0.0.2");
    assert_behind(client, "for=6.6.6.6, ;, for=10.0.0.2", "10.0.0.2");
}

fn ports_and_other_pairs_are_read_and_passed_over(client: Client) {
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
        assert_behind(client, element, "192.0.2.7");
        assert_behind(client, &format!("for=6.6.6.6, {element}, for=10.0.0.2"), "192.0.2.7");
        assert_behind(client, &format!("for=6.6.6.6,,{element}, ,for=10.0.0.2;proto=http,"), "192.0.2.7");
    }
    for address in ["\"[2001:db8::7]:4711\"", "\"[2001:DB8:0:0:0:0:0:7]\"", "\"[2001:db8::7]:_x\""] {
        assert_behind(client, &format!("proto=https;for={address}"), "2001:db8::7");
    }
}

fn what_breaks_the_grammar_ends_the_search(client: Client) {
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
        assert_behind(client, element, "10.0.0.1");
        assert_behind(client, &format!("for=6.6.6.6, {element}, for=10.0.0.2"), "10.0.0.2");
    }
}

fn quotes_hide_what_separates(client: Client) {
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
        assert_behind(client, &format!("for=192.0.2.7;{pair}"), "192.0.2.7");
        assert_behind(client, &format!("{pair};for=192.0.2.7"), "192.0.2.7");
        assert_behind(client, &format!("for=6.6.6.6;{pair}, {pair};for=192.0.2.7,for=10.0.0.2;{pair}"), "192.0.2.7");
    }
    assert_behind(client, r#"for="192\.0.2\.7""#, "192.0.2.7");
    assert_behind(client, r#"for="\[2001:db8::\7\]""#, "2001:db8::7");
}

fn an_address_has_one_spelling(client: Client) {
    assert_client(client, "::ffff:10.0.0.1", &[b"for=192.0.2.7"], "192.0.2.7");
    assert_client(client, "::ffff:198.51.100.4", &[b"for=192.0.2.7"], "198.51.100.4");
    assert_behind(client, "for=6.6.6.6, for=192.0.2.7, for=\"[::ffff:10.0.0.2]\"", "192.0.2.7");
    assert_behind(client, "for=6.6.6.6, for=\"[::ffff:192.0.2.7]:80\"", "192.0.2.7");
    assert_behind(client, "for=6.6.6.6, for=\"[::ffff:c000:207]\"", "192.0.2.7");
    assert_behind(client, "for=\"[::192.0.2.7]\"", "::192.0.2.7");
}

fn a_stranger_changes_nothing_about_what_stands_on_the_right(client: Client) {
    let theirs: [&[u8]; 13] = [
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
    let ours: [&[u8]; 3] = [
        b"for=192.0.2.7",
        b"for=\"[2001:db8::7]:4711\";proto=https, for=10.0.0.2",
        b"proto=http;for=192.0.2.7;host=\"x\\\"y, z\", for=\"10.0.0.3:1\"",
    ];
    for their in theirs {
        for (our, expected) in ours.iter().zip(["192.0.2.7", "2001:db8::7", "192.0.2.7"]) {
            // Our proxies have added to the stranger's field, or written one of their own.
            assert_client(client, "10.0.0.1", &[&[their, b", ", our].concat()], expected);
            assert_client(client, "10.0.0.1", &[&[their, b",", our].concat()], expected);
            assert_client(client, "10.0.0.1", &[their, our], expected);
        }
    }
}

fn no_bytes_make_it_panic(client: Client) {
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
    let mut seed = Seed::new(5);
    for _ in 0..20_000 {
        let their: Vec<u8> = (0..seed.below(12)).flat_map(|_| seed.pick(&pieces).to_vec()).collect();
        client(ip("10.0.0.1"), &[&their], &is_ours);
        assert_client(client, "10.0.0.1", &[&[&their[..], b", for=192.0.2.7"].concat()], "192.0.2.7");
    }
}

fn long_fields_are_read_quickly(client: Client) {
    // Each takes no time if read once, and minutes if each byte makes the reader look at all others.
    let long = 1_000_000;
    let names = (0..long / 8).fold(String::new(), |all, number| all + "a" + &number.to_string() + "=1;");
    let fields = [
        ("many pairs", format!("{names}for=192.0.2.7"), "192.0.2.7"),
        ("many elements", "for=10.0.0.3,".repeat(long / 13), "10.0.0.3"),
        ("commas", ",".repeat(long), "10.0.0.1"),
        ("backslashes", format!("for=192.0.2.7;host=\"{}\"", r"\\".repeat(long / 2)), "192.0.2.7"),
        ("escaped quotes", format!("for=192.0.2.7;host=\"{}\"", r#"\""#.repeat(long / 2)), "192.0.2.7"),
        ("quotes", "\"".repeat(long), "10.0.0.1"),
    ];
    for (what, field, expected) in fields {
        let (done, found) = mpsc::channel();
        thread::spawn(move || done.send(client(ip("10.0.0.1"), &[field.as_bytes()], &is_ours)));
        let found = found.recv_timeout(PATIENCE);
        let found = found.unwrap_or_else(|_| panic!("a megabyte of {what} should be read in no time, but is not"));
        assert_eq!(found, ip(expected), "the client behind 10.0.0.1, with a megabyte of {what}");
    }
}
