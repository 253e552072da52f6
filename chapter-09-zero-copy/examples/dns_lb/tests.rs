//! The server over its sockets, asked by hand-written queries.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket},
    process::Command,
    thread,
    time::Duration,
};

use advanced_features::health::active::config::CheckKind;
use backends::Fault;

use super::*;
use crate::cache::CachingResolver;
use crate::raw_dns::{A, AAAA, Answer, NOERROR, NXDOMAIN, REFUSED, SOA, parse, query};

const TIMEOUT: Duration = Duration::from_secs(20);
const HOST: &str = "www.example.test";

struct Running {
    backends: LocalBackends,
    address: SocketAddr,
}

impl Running {
    fn start(count: u8) -> Self {
        let backends = LocalBackends::start(count, 0).unwrap();
        let addresses = backends.addresses();
        let (interval, fast_interval) = (FAST_CHECK * 4, FAST_CHECK);
        let check = CheckConfig { interval, fast_interval, timeout: TIMEOUT, ..CheckConfig::new(CheckKind::Tcp) };
        let health = BackendHealth::start(&addresses, check).unwrap();
        let zone = zone(HOST, &addresses, 2).unwrap();
        let sockets = DnsSockets::bind(0).unwrap();
        let address = sockets.address().unwrap();
        thread::spawn(move || sockets.serve(&Arc::new(NameServer { zone, health, turns: Turns::default() })));
        Self { backends, address }
    }

    /// Sends a datagram; returns the next one that comes.
    fn exchange(&self, query: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        socket.send_to(query, self.address).unwrap();
        let mut answer = [0; 65_535];
        let length = socket.recv(&mut answer).unwrap();
        answer[..length].to_vec()
    }

    fn ask(&self, name: &str, kind: u16) -> Answer {
        parse(&self.exchange(&query(name, kind)))
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.ask(HOST, A).addresses
    }

    /// Asks until the addresses are these, in any order.
    fn wait_for(&self, expected: &[IpAddr]) {
        integration_tests::wait::until(&format!("the answer is {expected:?}"), || {
            let mut addresses = self.addresses();
            addresses.sort();
            addresses == expected
        });
    }
}

fn local(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

#[test]
fn each_backend_is_first_in_its_turn() {
    for count in [2, 3] {
        let server = Running::start(count);
        for turn in 0..2 * count {
            let order: Vec<_> = (0..count).map(|index| local((turn + index) % count + 1)).collect();
            assert_eq!(server.addresses(), order, "turn {turn} of {count}");
        }
    }
}

#[test]
fn a_killed_backend_disappears_and_returns() {
    let server = Running::start(3);
    let [first, second, third] = server.backends.backends() else { panic!("three backends") };
    server.wait_for(&[local(1), local(2), local(3)]);
    second.set_fault(Fault::Down).unwrap();
    server.wait_for(&[local(1), local(3)]);
    assert_ne!(server.addresses()[0], server.addresses()[0], "the others still take turns");
    second.set_fault(Fault::None).unwrap();
    server.wait_for(&[local(1), local(2), local(3)]);
    first.set_fault(Fault::Down).unwrap();
    third.set_fault(Fault::Down).unwrap();
    server.wait_for(&[local(2)]);
    second.set_fault(Fault::Down).unwrap();
    server.wait_for(&[local(1), local(2), local(3)]);
}

#[test]
fn negative_answers_say_how_long_to_keep_them() {
    let server = Running::start(2);
    for (name, kind, rcode) in
        [("no.example.test", A, NXDOMAIN), (HOST, AAAA, NOERROR), ("www.example.org", A, REFUSED)]
    {
        let answer = server.ask(name, kind);
        assert_eq!((answer.rcode, answer.answers.len()), (rcode, 0), "{name}");
        let authority = if rcode == REFUSED { vec![] } else { vec![SOA] };
        assert_eq!((answer.authority, answer.authoritative), (authority, rcode != REFUSED), "{name}");
    }
}

#[test]
fn garbage_does_not_end_the_server() {
    let server = Running::start(2);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut long = query(HOST, A);
    long.resize(65_507, 0xff);
    for garbage in [&[][..], &[0xff], &[0; 11], &[0xc0; 512], &long, &query(HOST, A)[..20]] {
        socket.send_to(garbage, server.address).unwrap();
    }
    assert_eq!(server.addresses().len(), 2);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(&[0xff; 65_537]).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "a response is not answered over TCP either");
    assert_eq!(server.addresses().len(), 2);
}

#[test]
fn several_queries_share_a_connection() {
    let server = Running::start(2);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let query = query(HOST, A);
    let framed = [&u16::try_from(query.len()).unwrap().to_be_bytes()[..], &query[..]].concat();
    // Two at once, and the third byte by byte.
    stream.write_all(&[&framed[..], &framed[..]].concat()).unwrap();
    for byte in &framed {
        stream.write_all(&[*byte]).unwrap();
    }
    for turn in [1, 2, 1] {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(parse(&answer).addresses[0], local(turn));
    }
}

#[test]
fn a_resolver_keeps_an_answer_for_its_ttl_or_its_minimum() {
    let server = Running::start(3);
    for (min_ttl, kept) in [(0, 2), (10, 10)] {
        let name = hickory_proto::rr::Name::from_ascii(HOST).unwrap();
        let mut resolver = CachingResolver::new(name, min_ttl, server.address).unwrap();
        let first = resolver.resolve(5).unwrap().to_vec();
        assert_eq!(resolver.resolve(5 + kept - 1).unwrap(), first);
        assert_eq!(resolver.queries(), 1, "at least {min_ttl} s");
        assert_ne!(resolver.resolve(5 + kept).unwrap(), first);
        assert_eq!(resolver.queries(), 2, "at least {min_ttl} s");
    }
}

#[test]
fn dig_agrees() {
    let server = Running::start(3);
    let dig = |args: &[&str]| {
        let port = server.address.port().to_string();
        let output = Command::new("dig").args(["@127.0.0.1", "-p", &port]).args(args).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let Some(short) = dig(&["+short", HOST]) else {
        eprintln!("skipped: dig is not installed");
        return;
    };
    assert_eq!(short, "127.0.0.1\n127.0.0.2\n127.0.0.3\n");
    assert_eq!(dig(&["+short", "+tcp", HOST]).unwrap(), "127.0.0.2\n127.0.0.3\n127.0.0.1\n");
    let missing = dig(&["no.example.test"]).unwrap();
    assert!(missing.contains("status: NXDOMAIN") && missing.contains("flags: qr aa rd;"), "{missing}");
    assert!(missing.contains("EDNS: version: 0, flags:; udp: 1232") && missing.contains("\tSOA\t"), "{missing}");
    assert!(!missing.to_lowercase().contains("malformed"), "{missing}");
}

#[test]
fn the_command_line_is_checked() {
    let parsed = |args: &[&str]| Args::try_parse_from([&["dns_lb"][..], args].concat());
    let defaults = parsed(&[]).unwrap();
    assert_eq!((defaults.port, defaults.ttl, defaults.name.as_str()), (8053, 2, HOST));
    for args in [&["--ttl", "500ms"][..], &["--ttl", "2"], &["1", "host:9001"], &["1", "127.0.0.1:1", "--demo"]] {
        assert!(parsed(args).is_err(), "{args:?}");
    }
    for name in ["example.test", "", "a..example.test", &format!("{}.example.test", "a".repeat(64))] {
        assert!(zone(name, &[], 2).is_err(), "{name}");
    }
}
