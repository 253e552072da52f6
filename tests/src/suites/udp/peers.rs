//! Other programs: name servers behind the balancer, asked by `dig` and by hand.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{Peer, start};
use crate::Context;
use crate::case::cases;
use crate::third_party::run;
use crate::wait::{eventually, ms};

cases! { "udp";
    Fast a_name_server_is_asked_through_it,
    Fast dig_is_answered_by_each_name_server_and_by_the_others_when_one_is_killed,
}

/// How often a name server is started, and how long it may take.
const MAX_STARTS: usize = 5;
const START_TIMEOUT: Duration = ms(5_000);

/// A name server with a zone `lb.test`, whose TXT record is the server's name. It ends with the case.
struct NameServer {
    process: Child,
    addr: SocketAddr,
    _directory: TempDir,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl NameServer {
    /// One that answers: Knot, or dnsmasq. `None`, with the reason printed, if the machine has neither.
    fn start(name: &str) -> Option<Self> {
        // Another program may have taken its port meanwhile, for TCP or for UDP.
        for _ in 0..MAX_STARTS {
            let server = Self::spawn(name)?;
            if server.answers() {
                return Some(server);
            }
        }
        panic!("no name server answers");
    }

    /// On a port that was free a moment ago.
    fn spawn(name: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let addr = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let spawn = |mut command: Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        };
        let process = spawn(knot(addr, name, &directory)).or_else(|| spawn(dnsmasq(addr, name)));
        let Some(process) = process else {
            println!("skipped: this machine has no knotd and no dnsmasq");
            return None;
        };
        Some(Self { process, addr, _directory: directory })
    }

    /// It takes a moment to start, and an ICMP message would mark it down.
    fn answers(&self) -> bool {
        let client = Peer::bind("127.0.0.1");
        let answer = eventually(START_TIMEOUT, || {
            client.0.send_to(&query(1), self.addr).ok()?;
            client.receive_within(ms(100)).filter(|(_, from)| *from == self.addr)
        });
        answer.is_some()
    }
}

fn knot(addr: SocketAddr, name: &str, directory: &TempDir) -> Command {
    let place = directory.path().display();
    let zone = format!(
        "$ORIGIN lb.test.\n@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n\
         @ 60 IN A 192.0.2.7\n@ 60 IN TXT \"{name}\"\nlong 60 IN TXT {}\n",
        format!("\"{}\" ", "x".repeat(200)).repeat(5)
    );
    fs::write(directory.path().join("lb.test.zone"), zone).unwrap();
    let (ip, port) = (addr.ip(), addr.port());
    let configuration = format!(
        "server:\n    rundir: {place}\n    listen: {ip}@{port}\n\
         database:\n    storage: {place}\n\
         zone:\n  - domain: lb.test\n    storage: {place}\n    file: lb.test.zone\n"
    );
    let file = directory.path().join("knot.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new("knotd");
    command.arg("-c").arg(file);
    command
}

fn dnsmasq(addr: SocketAddr, name: &str) -> Command {
    let fixed = ["--conf-file=/dev/null", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--pid-file="];
    let bound = ["--listen-address=127.0.0.1", "--bind-interfaces", "--address=/lb.test/192.0.2.7", "--user="];
    let long = format!("--txt-record=long.lb.test{}", format!(",{}", "x".repeat(200)).repeat(5));
    let mut command = Command::new("dnsmasq");
    command.args(fixed).args(bound).arg(format!("--port={}", addr.port()));
    command.arg(format!("--txt-record=lb.test,{name}")).arg(long);
    command
}

/// A query for the IPv4 address of `lb.test` (RFC 1035 §4).
fn query(id: u16) -> Vec<u8> {
    let header = [id, 0x0100, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    [&header[..], b"\x02lb\x04test\0", &[0, 1, 0, 1]].concat()
}

fn a_name_server_is_asked_through_it(ctx: &Context) {
    let Some(server) = NameServer::start("a") else { return };
    let direct = Peer::bind("127.0.0.1");
    direct.0.send_to(&query(1), server.addr).unwrap();
    let (expected, _) = direct.receive();
    let program = start(ctx, &[server.addr], &[]);
    for id in 1..=20 {
        let client = Peer::of(&program);
        client.send(query(id));
        let (answer, _) = client.receive();
        assert_eq!(answer[..2], id.to_be_bytes());
        assert_eq!(answer[2..], expected[2..]);
        assert!(answer.windows(4).any(|ip| ip == [192, 0, 2, 7]), "{answer:?}");
    }
}

/// The answer to `dig`, which has a new port for each question; it asks again after two seconds without one.
fn dig(server: SocketAddr, name: &str, kind: &str) -> Option<String> {
    let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
    let fixed = ["+short", "+notcp", "+bufsize=4096", "+time=2", "+tries=4"];
    let answer = run("dig", &[&[at.as_str(), "-p", &port], &fixed[..], &[name, kind]].concat(), b"")?;
    // A line that begins with `;` is about a question that had no answer in time.
    let answers = answer.lines().filter(|line| !line.starts_with(';')).collect::<String>();
    Some(answers.replace('"', ""))
}

fn dig_is_answered_by_each_name_server_and_by_the_others_when_one_is_killed(ctx: &Context) {
    let mut servers = Vec::new();
    for name in ["a", "b", "c"] {
        let Some(server) = NameServer::start(name) else { return };
        servers.push(server);
    }
    let addrs: Vec<_> = servers.iter().map(|server| server.addr).collect();
    let program = start(ctx, &addrs, &["--workers", "1"]);
    let ask = || dig(program.addr(), "lb.test", "TXT");
    let Some(first) = ask() else { return };
    let mut names: Vec<_> = (1..9).map(|_| ask().unwrap()).chain([first]).collect();
    names.sort_unstable();
    assert_eq!(names.concat(), "aaabbbccc", "each in its turn");
    let long = dig(program.addr(), "long.lb.test", "TXT").unwrap();
    assert_eq!(long.replace(' ', ""), "x".repeat(1_000), "one datagram of more than a kilobyte");
    servers.remove(0);
    let names: Vec<_> = (0..6).map(|_| ask().unwrap()).collect();
    assert!(names.iter().all(|name| ["b", "c"].contains(&name.as_str())), "{names:?}");
}
