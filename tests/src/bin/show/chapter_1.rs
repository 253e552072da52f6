//! Chapter 1: one blocking thread delays every other client.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use integration_tests::wait::{PATIENCE, ms};
use nix::sys::signal::Signal;

use crate::stage::{Programs, Stage};

/// Long enough to conclude that nothing arrives.
const A_WHILE: Duration = ms(700);

pub(crate) fn play(stage: &Stage, programs: &Programs) {
    one_after_another(stage, programs);
    all_at_once(stage, programs);
    half_closed(stage, programs);
    datagrams(stage, programs);
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect_timeout(&address, PATIENCE).expect("the server listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    client
}

fn send(stage: &Stage, who: &str, mut client: &TcpStream, text: &str) {
    stage.seen(&format!("{who} sends {text:?}"));
    client.write_all(text.as_bytes()).expect("the connection is open");
}

fn expect(stage: &Stage, who: &str, mut client: &TcpStream, text: &str) {
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).expect("a response arrives");
    assert_eq!(answer, text.as_bytes());
    stage.seen(&format!("{who} gets  {text:?}"));
}

fn one_after_another(stage: &Stage, programs: &Programs) {
    stage.scene(
        "One thread, two clients",
        "The server serves one client at a time. Two clients connect; the first one sends one line and then stays idle. \
         What will the second one get?",
    );
    let server = programs.start(stage, "echo_server", &["0"]);
    let (first, second) = (connect(server.addr()), connect(server.addr()));
    send(stage, "first ", &first, "hello\n");
    expect(stage, "first ", &first, "hello\n");
    send(stage, "second", &second, "me too\n");
    second.set_read_timeout(Some(A_WHILE)).expect("a socket takes a timeout");
    let nothing = (&second).read(&mut [0; 16]).expect_err("the server waits for the first client");
    stage.seen(&format!("second gets  nothing in {A_WHILE:?}: {}", nothing.kind()));
    stage.say(
        "It is connected all the same: the kernel accepted it. The server's thread sleeps in `recv` on the first.",
    );
    drop(first);
    second.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    stage.seen("first  leaves");
    expect(stage, "second", &second, "me too\n");
}

fn all_at_once(stage: &Stage, programs: &Programs) {
    stage.scene("A thread per client", "The same again, with a thread per client: 50 at once, the last one first.");
    let mut server = programs.start(stage, "echo_server", &["0", "--threads"]);
    let clients: Vec<_> = (0..50).map(|_| connect(server.addr())).collect();
    for mut client in clients.iter().rev() {
        client.write_all(b"hello\n").expect("the connection is open");
        let mut answer = [0; 6];
        client.read_exact(&mut answer).expect("a response arrives");
        assert_eq!(&answer, b"hello\n");
    }
    stage.seen("50 clients got their lines, while all 50 stayed connected");
    drop(clients);
    let port = server.addr().port().to_string();
    let refused = programs.run(stage, "echo_server", &[&port]);
    assert_eq!((refused.code, refused.stderr.lines().count()), (1, 1));
    stage.seen(&refused.stderr);
    stage.say("SIGTERM ends the first server once its clients are gone; no client is cut off.");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(PATIENCE), 0);
    stage.seen("exit code 0");
}

fn half_closed(stage: &Stage, programs: &Programs) {
    const LENGTH: usize = 1_000_000;
    stage.scene(
        "A half-close",
        "A client sends a million bytes and then FIN: it sends nothing more, but still reads. A server that took FIN \
         for a close would drop the rest of the response.",
    );
    let server = programs.start(stage, "echo_server", &["0"]);
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
    stage.seen(&format!("{} bytes came back, then FIN", answer.len()));
}

fn datagrams(stage: &Stage, programs: &Programs) {
    stage.scene(
        "No connection: UDP",
        "UDP keeps message boundaries, which TCP does not. Three datagrams get three answers, one of them empty.",
    );
    let server = programs.start(stage, "echo_server", &["0", "--udp"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    for message in ["one", "", "three"] {
        socket.send_to(message.as_bytes(), server.addr()).expect("loopback takes it");
        let mut answer = [0; 64];
        let (length, _) = socket.recv_from(&mut answer).expect("the datagram comes back");
        assert_eq!(&answer[..length], message.as_bytes());
        stage.seen(&format!("{message:?} came back as {length} bytes"));
    }
}
