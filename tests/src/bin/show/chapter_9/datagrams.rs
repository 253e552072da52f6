//! Part 2: flows of datagrams: who gets them, when they move, and when there is no place for another.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use backends::UdpEcho;
use integration_tests::process::Program;
use integration_tests::wait::{TEST_TIMEOUT, until};
use nix::sys::signal::Signal;

use crate::narrator::{Narrator, Programs};

/// What each client sends.
const PAYLOAD: &str = "ping";
/// How the last line of the statistics begins.
const LAST_LINE: &str = "worker 0: ";

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let mut echoes: Vec<_> = (1..=3).map(start_echo).collect();
    let names: Vec<_> = echoes.iter().map(|echo| echo.addr().to_string()).collect();
    // Least connections: where the flow of an ended server goes is to be known.
    let flags = ["--mode", "udp", "-a", "lc", "--workers", "1", "--max-flows", "3"];
    // No flow may expire while a person reads, and echo-1 stays down.
    let flags = flags.into_iter().chain(["--udp-timeout", "1h", "--down-time", "1h"]);
    let args: Vec<_> = ["0"].into_iter().chain(names.iter().map(String::as_str)).chain(flags).collect();
    let balancer = programs.start(narrator, "zero_copy_lb", &args);
    let clients = ["A", "B", "C", "D"].map(|name| Client::of(&balancer, name));
    two_flows(narrator, &balancer, &clients);
    one_backend_ends(narrator, &balancer, &clients, &mut echoes);
    a_full_table(narrator, &balancer, &clients);
    a_drain(narrator, balancer, &clients);
}

fn start_echo(number: u8) -> UdpEcho {
    UdpEcho::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), Some(&format!("echo-{number}"))).expect("a free port")
}

/// A client on a port of its own.
struct Client {
    name: &'static str,
    socket: UdpSocket,
}

impl Client {
    fn of(balancer: &Program, name: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(balancer.addr()).expect("it is on this machine");
        socket.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout above zero");
        Self { name, socket }
    }

    fn send(&self) {
        self.socket.send(PAYLOAD.as_bytes()).expect("the balancer listens");
    }

    /// Sends a datagram, and returns the name of the server that replies.
    fn ask(&self) -> String {
        self.send();
        let mut buffer = [0; 100];
        let length = self.socket.recv(&mut buffer).expect("a reply arrives");
        let reply = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let name = reply.strip_suffix(PAYLOAD).and_then(|name| name.strip_suffix(": "));
        name.unwrap_or_else(|| panic!("{reply:?} is no echo")).to_owned()
    }

    /// Whether no reply has arrived that was not read. To be called when it is known what became of the datagram.
    fn has_no_reply(&self) -> bool {
        self.socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout above zero");
        let received = self.socket.recv(&mut [0; 100]);
        self.socket.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout above zero");
        received.is_err()
    }

    fn show(&self, narrator: &Narrator, servers: &[String]) {
        narrator.output(&format!("client {}: {}", self.name, servers.join(", ")));
    }
}

/// The statistics from the rows of the backends on, once they have this line.
fn statistics(narrator: &Narrator, balancer: &Program, line: &str) -> String {
    let mut rows = String::new();
    until(&format!("the statistics say {line:?}"), || {
        rows = printed(balancer);
        rows.lines().any(|printed| printed == line)
    });
    narrator.command("kill -USR1 $(pidof zero_copy_lb)");
    narrator.output(&rows);
    rows
}

fn printed(balancer: &Program) -> String {
    let tables = |said: &str| said.matches(LAST_LINE).count();
    let before = tables(&balancer.stdout());
    balancer.signal(Signal::SIGUSR1);
    until("the statistics are printed", || tables(&balancer.stdout()) > before);
    last_table(&balancer.stdout())
}

fn last_table(said: &str) -> String {
    let begin = said.rfind("backend  ").expect("a table has a row of titles");
    said[begin..].to_owned()
}

fn two_flows(narrator: &Narrator, balancer: &Program, [first, second, ..]: &[Client; 4]) {
    narrator.section(
        "Two clients, three echo servers",
        "In turn, each client sends three datagrams. There is no connection. Which server gets a client's second one?",
    );
    let (mut by_first, mut by_second) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        by_first.push(first.ask());
        by_second.push(second.ask());
    }
    first.show(narrator, &by_first);
    second.show(narrator, &by_second);
    assert_eq!((by_first, by_second), (vec!["echo-1".to_owned(); 3], vec!["echo-2".to_owned(); 3]));
    let said = statistics(narrator, balancer, "datagrams to clients 6 (72 bytes)");
    assert!(said.contains("\ndatagrams to backends 6 (24 bytes)\n") && said.ends_with("\nworker 0: 2 flows"), "{said}");
}

fn one_backend_ends(narrator: &Narrator, balancer: &Program, clients: &[Client; 4], echoes: &mut Vec<UdpEcho>) {
    narrator.section(
        "One server ends",
        "The process of echo-1 is gone. A's next datagram is lost: its reply is an ICMP message, port unreachable. What \
         about the one after it? And about B?",
    );
    let [first, second, ..] = clients;
    let gone = echoes.remove(0).addr().to_string();
    first.send();
    until("the ICMP message has arrived", || {
        let said = printed(balancer);
        said.lines().any(|row| row.starts_with(&gone) && row.ends_with(" 1") && !row.contains(" UP "))
    });
    assert!(first.has_no_reply(), "nobody can have replied");
    let (moved, stayed) = ([String::from("(lost)"), first.ask()], [second.ask()]);
    first.show(narrator, &moved);
    second.show(narrator, &stayed);
    assert_eq!((moved[1].as_str(), stayed[0].as_str()), ("echo-3", "echo-2"));
    let said = statistics(narrator, balancer, "datagrams to clients 8 (96 bytes)");
    assert!(said.contains("\ndatagrams to backends 9 (36 bytes)\n") && said.ends_with("\nworker 0: 2 flows"), "{said}");
}

fn a_full_table(narrator: &Narrator, balancer: &Program, [first, _, third, fourth]: &[Client; 4]) {
    narrator.section(
        "A full table",
        "C and D come, too. Each would begin a flow, and --max-flows is 3. Does a full table harm A?",
    );
    third.show(narrator, &[third.ask()]);
    fourth.send();
    // Once it is counted, no reply can come any more.
    until("the datagram is dropped", || printed(balancer).contains("\ndropped max_flows 1\n"));
    assert!(fourth.has_no_reply(), "its datagram was dropped");
    fourth.show(narrator, &["(no reply)".to_owned()]);
    let served = first.ask();
    assert_eq!(served, "echo-3");
    first.show(narrator, &[served]);
    let said = statistics(narrator, balancer, "dropped max_flows 1");
    assert!(said.ends_with("\nworker 0: 3 flows"), "{said}");
}

fn a_drain(narrator: &Narrator, mut balancer: Program, clients: &[Client; 4]) {
    narrator.section(
        "A drain",
        "The process is told to end. It can't tell clients to go elsewhere. Whom does it still serve?",
    );
    narrator.command("kill $(pidof zero_copy_lb)");
    balancer.signal(Signal::SIGTERM);
    let [known @ .., stranger] = clients;
    // Before the signal has reached the worker, the table is full; then it is closed.
    until("a new flow is refused by the drain", || {
        let dropped = |said: &str| said.lines().filter(|line| line.starts_with("dropped ")).map(count).sum::<u64>();
        let before = dropped(&printed(&balancer));
        stranger.send();
        until("the datagram is dropped", || dropped(&printed(&balancer)) == before + 1);
        printed(&balancer).contains("\ndropped draining 1\n")
    });
    for client in known {
        client.show(narrator, &[client.ask()]);
    }
    assert!(stranger.has_no_reply(), "its datagrams were dropped");
    stranger.show(narrator, &["(no reply)".to_owned()]);
    narrator.command("kill $(pidof zero_copy_lb)    # a second time: at once");
    balancer.signal(Signal::SIGTERM);
    assert_eq!(balancer.exit_code(TEST_TIMEOUT), 0);
    balancer.wait_stdout("\nended drained 3\nworker 0: 0 flows");
    let said = last_table(&balancer.stdout());
    let lines: Vec<_> =
        said.lines().filter(|line| line.starts_with("dropped ") || line.starts_with("ended ")).collect();
    narrator.output(&lines.join("\n"));
    assert!(lines.contains(&"dropped draining 1") && lines.contains(&"ended drained 3"), "{said}");
}

/// The number at the end of a line.
fn count(line: &str) -> u64 {
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}
