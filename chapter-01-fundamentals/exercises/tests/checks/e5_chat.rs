//! The checks of exercise 1.5.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use integration_tests::wait::until;

use crate::exercise_checks;
use crate::peer::{connect, connect_with_small_buffers, end, listen_with_small_buffers, reset, rest_of, send};

type Serve = fn(&TcpListener, usize) -> io::Result<()>;

exercise_checks!(
    exercises_01,
    e5_chat::serve,
    [
        a_line_goes_to_all_others_with_the_name_of_its_sender,
        joining_is_announced_and_lists_the_members,
        leaving_is_announced_once,
        an_invalid_or_taken_name_is_rejected,
        a_client_without_a_name_receives_nothing,
        lines_are_split_at_line_ends_only,
        all_members_receive_the_same_order,
        a_member_within_its_backlog_loses_nothing,
        a_stalled_member_blocks_no_other_and_is_disconnected,
        lines_of_a_disconnected_member_are_dropped,
        a_rejected_client_is_not_reset,
    ]
);

fn start(serve: Serve, backlog: usize) -> SocketAddr {
    let (listener, address) = listen_with_small_buffers();
    thread::spawn(move || serve(&listener, backlog));
    address
}

/// A client of the chat. Its methods say what it sends and what it must receive next.
struct ChatClient {
    name: &'static str,
    lines: BufReader<TcpStream>,
}

impl ChatClient {
    /// Joins, and checks the list of members, so it is a member when this returns.
    fn join(address: SocketAddr, name: &'static str, here: &str) -> Self {
        Self::join_on(connect(address), name, here)
    }

    fn join_on(stream: TcpStream, name: &'static str, here: &str) -> Self {
        let mut client = Self { name, lines: BufReader::new(stream) };
        client.send_line(name);
        client.expect_line(&format!("* here: {here}"));
        client
    }

    fn send_line(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        send(self.lines.get_ref(), bytes);
    }

    /// The next line, escaped.
    fn next(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.lines.read_until(b'\n', &mut line);
        let received = line.escape_ascii();
        let name = self.name;
        read.unwrap_or_else(|error| {
            panic!("{name} should receive a line, but received `{received}` and then: {error}")
        });
        let whole = line.strip_suffix(b"\n");
        let whole =
            whole.unwrap_or_else(|| panic!("{name} should receive a line, but received `{received}` and then the end"));
        whole.escape_ascii().to_string()
    }

    fn expect_line(&mut self, expected: &str) {
        assert_eq!(self.next(), expected, "what {} receives next", self.name);
    }

    /// Ends the sending side, and returns the rest that it receives.
    fn disconnect(self) -> String {
        let received = self.lines.buffer().escape_ascii();
        assert!(self.lines.buffer().is_empty(), "{} should receive nothing now, but received `{received}`", self.name);
        let stream = self.lines.into_inner();
        end(&stream);
        rest_of(&stream)
    }
}

/// Ann, Bob and Carl, who have all joined.
fn join_three(address: SocketAddr) -> [ChatClient; 3] {
    let mut ann = ChatClient::join(address, "ann", "ann");
    let mut bob = ChatClient::join(address, "bob", "ann, bob");
    ann.expect_line("* bob joined");
    let carl = ChatClient::join(address, "carl", "ann, bob, carl");
    ann.expect_line("* carl joined");
    bob.expect_line("* carl joined");
    [ann, bob, carl]
}

fn a_line_goes_to_all_others_with_the_name_of_its_sender(serve: Serve) {
    let [mut ann, mut bob, mut carl] = join_three(start(serve, 100));
    ann.send_line("hello");
    bob.expect_line("ann: hello");
    carl.expect_line("ann: hello");
    bob.send_line("hello, ann");
    // If Ann received her own line, it would come first.
    ann.expect_line("bob: hello, ann");
    carl.expect_line("bob: hello, ann");
    // Lines that look like announcements are still lines of their sender.
    for line in ["i left", "* ann joined", "* bob left", "error: none", "ann: hello"] {
        bob.send_line(line);
        ann.expect_line(&format!("bob: {line}"));
        carl.expect_line(&format!("bob: {line}"));
    }
    ann.send_line("bob?");
    bob.expect_line("ann: bob?");
}

fn joining_is_announced_and_lists_the_members(serve: Serve) {
    let address = start(serve, 100);
    let mut zoe = ChatClient::join(address, "zoe", "zoe");
    let mut bob = ChatClient::join(address, "bob", "bob, zoe");
    zoe.expect_line("* bob joined");
    let _ann = ChatClient::join(address, "ann", "ann, bob, zoe");
    zoe.expect_line("* ann joined");
    bob.expect_line("* ann joined");
}

fn leaving_is_announced_once(serve: Serve) {
    let [mut ann, mut bob, carl] = join_three(start(serve, 100));
    bob.send_line("bye, carl");
    ann.expect_line("bob: bye, carl");
    assert_eq!(carl.disconnect(), "bob: bye, carl\\n", "the lines queued for carl");
    ann.expect_line("* carl left");
    bob.expect_line("* carl left");
    reset(bob.lines.into_inner());
    ann.expect_line("* bob left");
    assert_eq!(ann.disconnect(), "", "what ann receives after both have left");
}

fn an_invalid_or_taken_name_is_rejected(serve: Serve) {
    let address = start(serve, 100);
    let mut ann = ChatClient::join(address, "ann", "ann");
    for name in ["ann", "", "two words", "12345678901234567", "a:b", "é"] {
        let client = connect(address);
        send(&client, format!("{name}\n").as_bytes());
        let answer = rest_of(&client);
        assert!(answer.starts_with("error: "), "the name {name:?} should get a line `error: …`, but gets `{answer}`");
        assert_eq!(answer.matches("\\n").count(), 1, "the name {name:?} should get one line, but gets `{answer}`");
    }
    let longest = ChatClient::join(address, "1234567890abcdef", "1234567890abcdef, ann");
    ann.expect_line("* 1234567890abcdef joined");
    longest.disconnect();
    ann.expect_line("* 1234567890abcdef left");
    ann.disconnect();
    until("the name `ann` is free again", || {
        let client = connect(address);
        send(&client, b"ann\n");
        end(&client);
        rest_of(&client) == "* here: ann\\n"
    });
}

fn a_client_without_a_name_receives_nothing(serve: Serve) {
    let address = start(serve, 100);
    let late = connect(address);
    send(&late, b"da");
    let [mut ann, mut bob, mut carl] = join_three(address);
    ann.send_line("is anybody listening?");
    bob.expect_line("ann: is anybody listening?");
    carl.expect_line("ann: is anybody listening?");
    send(&late, b"ve\n");
    let mut dave = ChatClient { name: "dave", lines: BufReader::new(late) };
    dave.expect_line("* here: ann, bob, carl, dave");
    ann.expect_line("* dave joined");
}

fn lines_are_split_at_line_ends_only(serve: Serve) {
    let [mut ann, mut bob, mut carl] = join_three(start(serve, 100));
    for byte in b"in pieces\r\n" {
        ann.send_bytes(&[*byte]);
    }
    bob.expect_line("ann: in pieces");
    ann.send_bytes(b"one\n\ntwo: \xff\n");
    for line in ["one", "", "two: \\xff"] {
        bob.expect_line(&format!("ann: {line}"));
    }
    let longest = "x".repeat(1024);
    ann.send_line(&longest);
    bob.expect_line(&format!("ann: {longest}"));
    for line in ["in pieces", "one", "", "two: \\xff", &longest] {
        carl.expect_line(&format!("ann: {line}"));
    }
    ann.send_line(&"x".repeat(1025));
    bob.expect_line("* ann left");
    carl.expect_line("* ann left");
    carl.send_bytes(b"the end is nea");
    assert_eq!(carl.disconnect(), "", "what carl receives last");
    bob.expect_line("* carl left");
}

fn all_members_receive_the_same_order(serve: Serve) {
    const LINES: usize = 200;
    let address = start(serve, 10 * LINES);
    let [mut ann, mut bob, mut carl] = join_three(address);
    let dave = ChatClient::join(address, "dave", "ann, bob, carl, dave");
    carl.expect_line("* dave joined");
    let lines = (0..LINES).map(|number| format!("{number}\n")).collect::<Vec<_>>().concat();
    let (carls, daves) = thread::scope(|scope| {
        // The senders also read, or they would stall.
        for sender in [&mut ann, &mut bob] {
            let mut stream = sender.lines.get_ref().try_clone().unwrap();
            scope.spawn(move || (0..LINES).map(|_| sender.next()).last());
            let lines = &lines;
            scope.spawn(move || lines.split_inclusive('\n').try_for_each(|line| stream.write_all(line.as_bytes())));
        }
        let listeners =
            [carl, dave].map(|mut all| scope.spawn(move || (0..2 * LINES).map(|_| all.next()).collect::<Vec<_>>()));
        let [carls, daves] = listeners.map(|listener| listener.join().unwrap());
        (carls, daves)
    });
    assert!(carls == daves, "carl and dave should receive the same order, but receive\n{carls:?}\n{daves:?}");
    let anns = carls.iter().filter_map(|line| line.strip_prefix("ann: "));
    assert!(anns.eq(lines.lines()), "carl should receive all of ann's lines in her order, but receives {carls:?}");
}

fn a_member_within_its_backlog_loses_nothing(serve: Serve) {
    const BACKLOG: usize = 20;
    let [mut ann, mut bob, mut carl] = join_three(start(serve, BACKLOG));
    for round in 0..3 {
        for number in 0..BACKLOG {
            let line = format!("{round}.{number} {}", "x".repeat(900));
            ann.send_line(&line);
            carl.expect_line(&format!("ann: {line}"));
        }
        for number in 0..BACKLOG {
            bob.expect_line(&format!("ann: {round}.{number} {}", "x".repeat(900)));
        }
    }
}

fn a_stalled_member_blocks_no_other_and_is_disconnected(serve: Serve) {
    let address = start(serve, 10);
    let mut ann = ChatClient::join(address, "ann", "ann");
    let mut carl = ChatClient::join(address, "carl", "ann, carl");
    ann.expect_line("* carl joined");
    let stalled = ChatClient::join_on(connect_with_small_buffers(address), "bob", "ann, bob, carl");
    ann.expect_line("* bob joined");
    carl.expect_line("* bob joined");
    // Far more than the socket buffers hold for Bob: 20 MB.
    let long = "x".repeat(1000);
    let disconnected = (0..20_000).any(|number| {
        ann.send_line(&format!("{number} {long}"));
        let sent = format!("ann: {number} {long}");
        match carl.next() {
            received if received == sent => false,
            received => {
                assert_eq!(received, "* bob left", "what carl receives besides ann's lines");
                carl.expect_line(&sent);
                true
            }
        }
    });
    assert!(
        disconnected,
        "bob should be disconnected when more than 10 lines are queued for him, but 20 MB of lines are"
    );
    ann.expect_line("* bob left");
    // After the buffered lines, Bob gets the end of the stream or a reset: anything but an open connection.
    let end = stalled.lines.lines().find_map(Result::err);
    let still_open =
        end.is_some_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    assert!(!still_open, "bob was announced as gone and should be disconnected, but his connection is still open");
    carl.send_line("where is bob?");
    ann.expect_line("carl: where is bob?");
}

fn lines_of_a_disconnected_member_are_dropped(serve: Serve) {
    // The race window is short, so the test runs several times.
    for _ in 0..5 {
        let received = received_while_bob_is_disconnected(serve);
        let left = received.iter().position(|line| line == "* bob left");
        let left =
            left.unwrap_or_else(|| panic!("bob should be disconnected, but is not, after {} lines", received.len()));
        let late = received[left..].iter().filter(|line| line.starts_with("bob: ")).count();
        assert_eq!(late, 0, "how many lines of bob are received after `* bob left`");
    }
}

/// What Carl receives while Bob, who does not read, is sending and is disconnected in the middle of it.
fn received_while_bob_is_disconnected(serve: Serve) -> Vec<String> {
    const BURST: usize = 2_000;
    const LAST: usize = 60;
    const BACKLOG: usize = 2 * BURST + 4 * LAST;
    let long = format!("{}\n", "x".repeat(1000));
    // The last lines fit the queues of Ann and Carl, who read: only Bob is disconnected.
    let address = start(serve, BACKLOG);
    let mut ann = ChatClient::join(address, "ann", "ann");
    let mut carl = ChatClient::join(address, "carl", "ann, carl");
    let bob = ChatClient::join_on(connect_with_small_buffers(address), "bob", "ann, bob, carl");
    carl.expect_line("* bob joined");
    // As many as may be queued for Bob. A few of them are in the socket buffers.
    for _ in 0..BACKLOG / LAST {
        ann.send_bytes(long.repeat(LAST).as_bytes());
        (0..LAST).for_each(|_| assert!(carl.next().starts_with("ann: x")));
    }
    let burst = "y\n".repeat(BURST);
    send(bob.lines.get_ref(), burst.as_bytes());
    ann.send_bytes(long.repeat(LAST).as_bytes());
    // Bob may be disconnected already.
    let _ = bob.lines.get_ref().write_all(burst.as_bytes());
    // Time for lines of Bob that should not be forwarded any more.
    let mut received = Vec::new();
    for question in (0..100).map(|number| format!("{number}?")) {
        ann.send_line(&question);
        let end = format!("ann: {question}");
        received.extend(std::iter::repeat_with(|| carl.next()).take_while(|line| *line != end));
    }
    received
}

fn a_rejected_client_is_not_reset(serve: Serve) {
    let address = start(serve, 100);
    // Several clients, because the time of a reset depends on the server's thread.
    for _ in 0..10 {
        let client = connect(address);
        send(&client, b"two words\n");
        let answer = rest_of(&client);
        assert!(answer.starts_with("error: "), "a bad name should get a line `error: …`, but gets `{answer}`");
        for _ in 0..50 {
            send(&client, "lines that are sent after the rejection\n".repeat(20).as_bytes());
        }
    }
}
