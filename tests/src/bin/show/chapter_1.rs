//! Chapter 1: one blocking thread delays every other client.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use integration_tests::wait::{TEST_TIMEOUT, ms};
use nix::sys::signal::Signal;

use crate::narrator::{Narrator, Programs};

/// Long enough to conclude that nothing arrives.
const A_WHILE: Duration = ms(700);

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    one_after_another(narrator, programs);
    all_at_once(narrator, programs);
    half_closed(narrator, programs);
    datagrams(narrator, programs);
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect_timeout(&address, TEST_TIMEOUT).expect("the server listens");
    client.set_read_timeout(Some(TEST_TIMEOUT)).expect("a socket takes a timeout");
    client
}

fn send(narrator: &Narrator, who: &str, mut client: &TcpStream, text: &str) {
    narrator.output(&format!("{who} sends {text:?}"));
    client.write_all(text.as_bytes()).expect("the connection is open");
}

fn expect(narrator: &Narrator, who: &str, mut client: &TcpStream, text: &str) {
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).expect("a response arrives");
    assert_eq!(answer, text.as_bytes());
    narrator.output(&format!("{who} gets  {text:?}"));
}

fn one_after_another(narrator: &Narrator, programs: &Programs) {
    narrator.section(
        "One thread, two clients",
        "The server serves one client at a time. Two clients connect; the first one sends one line and then stays idle. \
         What will the second one get?",
    );
    let server = programs.start(narrator, "echo_server", &["0"]);
    let (first, second) = (connect(server.addr()), connect(server.addr()));
    send(narrator, "first ", &first, "hello\n");
    expect(narrator, "first ", &first, "hello\n");
    send(narrator, "second", &second, "me too\n");
    second.set_read_timeout(Some(A_WHILE)).expect("a socket takes a timeout");
    let nothing = (&second).read(&mut [0; 16]).expect_err("the server waits for the first client");
    narrator.output(&format!("second gets  nothing in {A_WHILE:?}: {}", nothing.kind()));
    narrator.say(
        "It is connected all the same: the kernel accepted it. The server's thread sleeps in `recv` on the first.",
    );
    drop(first);
    second.set_read_timeout(Some(TEST_TIMEOUT)).expect("a socket takes a timeout");
    narrator.output("first  leaves");
    expect(narrator, "second", &second, "me too\n");
}

fn all_at_once(narrator: &Narrator, programs: &Programs) {
    narrator
        .section("A thread per client", "The same again, with a thread per client: 50 at once, the last one first.");
    let mut server = programs.start(narrator, "echo_server", &["0", "--threads"]);
    let clients: Vec<_> = (0..50).map(|_| connect(server.addr())).collect();
    for mut client in clients.iter().rev() {
        client.write_all(b"hello\n").expect("the connection is open");
        let mut answer = [0; 6];
        client.read_exact(&mut answer).expect("a response arrives");
        assert_eq!(&answer, b"hello\n");
    }
    narrator.output("50 clients got their lines, while all 50 stayed connected");
    drop(clients);
    let port = server.addr().port().to_string();
    let refused = programs.run(narrator, "echo_server", &[&port]);
    assert_eq!((refused.code, refused.stderr.lines().count()), (1, 1));
    narrator.output(&refused.stderr);
    narrator.say("SIGTERM ends the first server once its clients are gone; no client is cut off.");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(TEST_TIMEOUT), 0);
    narrator.output("exit code 0");
}

fn half_closed(narrator: &Narrator, programs: &Programs) {
    const LENGTH: usize = 1_000_000;
    narrator.section(
        "A half-close",
        "A client sends a million bytes and then FIN: it sends nothing more, but still reads. A server that took FIN \
         for a close would drop the rest of the response.",
    );
    let server = programs.start(narrator, "echo_server", &["0"]);
    let client = connect(server.addr());
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&vec![b'x'; LENGTH]).expect("the server reads");
            client.shutdown(Shutdown::Write).expect("the connection is open");
        });
        let mut answer = Vec::new();
        (&client).read_to_end(&mut answer).expect("the server closes without a reset");
        answer
    });
    assert_eq!(answer.len(), LENGTH);
    narrator.output(&format!("{} bytes came back, then FIN", answer.len()));
}

fn datagrams(narrator: &Narrator, programs: &Programs) {
    narrator.section(
        "No connection: UDP",
        "UDP keeps message boundaries, which TCP does not. Three datagrams get three answers, one of them empty.",
    );
    let server = programs.start(narrator, "echo_server", &["0", "--udp"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(TEST_TIMEOUT)).expect("a socket takes a timeout");
    for message in ["one", "", "three"] {
        socket.send_to(message.as_bytes(), server.addr()).expect("loopback takes it");
        let mut answer = [0; 64];
        let (length, _) = socket.recv_from(&mut answer).expect("the datagram comes back");
        assert_eq!(&answer[..length], message.as_bytes());
        narrator.output(&format!("{message:?} came back as {length} bytes"));
    }
}
