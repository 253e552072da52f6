//! Part 1: bytes go from socket to socket inside the kernel, and the ends of a connection are passed on as they are.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use backends::TcpEcho;
use integration_tests::process::Program;
use integration_tests::wait::TEST_TIMEOUT;
use nix::sys::signal::Signal;
use socket2::SockRef;

use crate::narrator::{Narrator, Programs};

/// Some megabytes, and how often they are sent.
const BLOCK: usize = 4_000_000;
const BLOCKS: usize = 150;

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let (spliced, copied) = (a_download(narrator, programs), the_same_copied(narrator, programs));
    narrator.output(&format!("CPU time: {} ms spliced, {} ms copied", spliced.as_millis(), copied.as_millis()));
    short_messages(narrator, programs);
    a_half_close(narrator, programs);
    a_reset(narrator, programs);
}

/// Accepts one connection, and serves it on a thread of its own.
fn one_connection(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    thread::spawn(move || serve(listener.accept().expect("a connection").0));
    addr
}

fn start(narrator: &Narrator, programs: &Programs, backend: SocketAddr, options: &[&str]) -> Program {
    // Checks connect, too, and a backend here accepts once.
    let backend = backend.to_string();
    let args = [&["0", &backend, "--check", "off", "--workers", "1"], options].concat();
    programs.start(narrator, "zero_copy_lb", &args)
}

fn connect(balancer: &Program) -> TcpStream {
    let client = TcpStream::connect(balancer.addr()).expect("it listens");
    client.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout above zero");
    client
}

/// The lines of the statistics about bytes and ends, once one begins with `last`.
fn statistics(narrator: &Narrator, balancer: &Program, last: &str) -> String {
    let ended = |printed: &str| printed.lines().any(|line| line.starts_with(last));
    let mut printed = String::new();
    // A session is recorded a moment after its client has seen the end.
    integration_tests::wait::until("the session is recorded", || {
        balancer.signal(Signal::SIGUSR1);
        printed = balancer.wait_stdout("worker 0: ");
        ended(&printed)
    });
    narrator.command("kill -USR1 $(pidof zero_copy_lb)");
    let end = printed.find(last).expect("it was just found");
    let begin = printed[..end].rfind("bytes spliced ").expect("the table says it first");
    let lines = printed[begin..].lines().take_while(|line| !line.starts_with("worker "));
    let lines = lines.fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{line}");
        all
    });
    narrator.output(&lines);
    lines
}

/// The number at the end of the line that begins with `name`.
fn number(statistics: &str, name: &str) -> u64 {
    let line = statistics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {statistics}"));
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Sends the blocks through a balancer with these options; returns its CPU time and what the statistics say.
fn transfer(narrator: &Narrator, programs: &Programs, options: &[&str]) -> (Duration, String) {
    let block = backends::pattern(BLOCK);
    let sent = block.clone();
    let backend = one_connection(move |mut stream| {
        (0..BLOCKS).for_each(|_| stream.write_all(&sent).expect("the balancer reads"));
    });
    let balancer = start(narrator, programs, backend, options);
    let before = balancer.cpu();
    let mut client = connect(&balancer);
    let mut received = vec![0; BLOCK];
    for number in 0..BLOCKS {
        client.read_exact(&mut received).expect("all blocks arrive");
        assert!(received == block, "block {number} differs");
    }
    assert_eq!(client.read(&mut received).expect("a FIN"), 0);
    let cpu = balancer.cpu().since(before).total();
    drop(client);
    (cpu, statistics(narrator, &balancer, "ended done 1"))
}

fn a_download(narrator: &Narrator, programs: &Programs) -> Duration {
    narrator.section(
        "600 MB, and the program has seen next to none of it",
        "The client compares every byte. How many of them were in the balancer's memory?",
    );
    let (cpu, said) = transfer(narrator, programs, &[]);
    let (spliced, copied) = (number(&said, "bytes spliced"), number(&said, "bytes copied"));
    assert_eq!(spliced + copied, (BLOCK * BLOCKS) as u64);
    assert!(spliced > 9 * copied, "{said}");
    cpu
}

fn the_same_copied(narrator: &Narrator, programs: &Programs) -> Duration {
    narrator.section("The same, copied", "With --copy: recv, send, for every byte.");
    let (cpu, said) = transfer(narrator, programs, &["--copy"]);
    assert_eq!((number(&said, "bytes spliced"), number(&said, "bytes copied")), (0, (BLOCK * BLOCKS) as u64));
    cpu
}

fn short_messages(narrator: &Narrator, programs: &Programs) {
    narrator.section(
        "Short messages",
        "A client and an echo server exchange a thousand messages of 100 bytes. A pipe would not pay.",
    );
    let echo = TcpEcho::start().expect("a free port");
    let balancer = start(narrator, programs, echo.addr(), &[]);
    let mut client = connect(&balancer);
    for _ in 0..1_000 {
        client.write_all(&[b'x'; 100]).expect("the balancer reads");
        client.read_exact(&mut [0; 100]).expect("the echo");
    }
    drop(client);
    let said = statistics(narrator, &balancer, "ended done 1");
    assert_eq!((number(&said, "bytes spliced"), number(&said, "bytes copied")), (0, 200_000));
}

fn a_half_close(narrator: &Narrator, programs: &Programs) {
    narrator.section(
        "One direction ends, the other goes on",
        "A client sends its question, then FIN. The server answers only then.",
    );
    let backend = one_connection(|mut stream| {
        let mut question = String::new();
        stream.read_to_string(&mut question).expect("the client's FIN");
        write!(stream, "{} bytes, then your FIN", question.len()).expect("the client reads");
    });
    let balancer = start(narrator, programs, backend, &[]);
    let mut client = connect(&balancer);
    client.write_all(b"What is your answer?").expect("the balancer reads");
    client.shutdown(Shutdown::Write).expect("it is open");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("the answer and a FIN");
    narrator.output(&format!("the answer: {answer}"));
    assert_eq!(answer, "20 bytes, then your FIN");
}

fn a_reset(narrator: &Narrator, programs: &Programs) {
    narrator.section(
        "A reset stays a reset",
        "A server sends half of its answer, then a reset. With a FIN instead, the client would take the half for the \
         whole.",
    );
    let (arrived, has_arrived) = std::sync::mpsc::channel();
    let backend = one_connection(move |mut stream| {
        stream.write_all(b"half of an ans").expect("the balancer reads");
        let _ = has_arrived.recv(); // a reset overtakes bytes that have not been read
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("it is open");
    });
    let balancer = start(narrator, programs, backend, &[]);
    let mut client = connect(&balancer);
    let mut half = [0; 14];
    client.read_exact(&mut half).expect("the first half");
    let received = half.escape_ascii().to_string();
    arrived.send(()).expect("the server waits");
    let error = client.read(&mut half).expect_err("no FIN");
    narrator.output(&format!("received: {received}\nthen: {error}"));
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    statistics(narrator, &balancer, "ended backend_reset 1");
}
