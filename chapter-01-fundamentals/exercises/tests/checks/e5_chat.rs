//! The checks of exercise 1.5.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use integration_tests::held_to;
use integration_tests::wait::until;

use crate::peer::{connect, connect_with_small_buffers, end, listen_with_small_buffers, reset, rest_of, send};

type Serve = fn(&TcpListener, usize) -> io::Result<()>;

held_to!(
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
struct Person {
    name: &'static str,
    lines: BufReader<TcpStream>,
}

impl Person {
    /// Joins, and checks the list of members, so it is a member when this returns.
    fn join(address: SocketAddr, name: &'static str, here: &str) -> Self {
        Self::enter(connect(address), name, here)
    }

    fn enter(stream: TcpStream, name: &'static str, here: &str) -> Self {
        let mut person = Self { name, lines: BufReader::new(stream) };
        person.says(name);
        person.hears(&format!("* here: {here}"));
        person
    }

    fn says(&mut self, line: &str) {
        self.sends(format!("{line}\n").as_bytes());
    }

    fn sends(&mut self, bytes: &[u8]) {
        send(self.lines.get_ref(), bytes);
    }

    /// The next line, escaped.
    fn next(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.lines.read_until(b'\n', &mut line);
        let heard = line.escape_ascii();
        let name = self.name;
        read.unwrap_or_else(|error| panic!("{name} should hear a line, but heard `{heard}` and then: {error}"));
        let whole = line.strip_suffix(b"\n");
        let whole = whole.unwrap_or_else(|| panic!("{name} should hear a line, but heard `{heard}` and then the end"));
        whole.escape_ascii().to_string()
    }

    fn hears(&mut self, expected: &str) {
        assert_eq!(self.next(), expected, "what {} hears next", self.name);
    }

    /// Ends the sending side, and returns the rest that it receives.
    fn leaves(self) -> String {
        let heard = self.lines.buffer().escape_ascii();
        assert!(self.lines.buffer().is_empty(), "{} should hear nothing now, but heard `{heard}`", self.name);
        let stream = self.lines.into_inner();
        end(&stream);
        rest_of(&stream)
    }
}

/// Ann, Bob and Carl, who have all joined.
fn three(address: SocketAddr) -> [Person; 3] {
    let mut ann = Person::join(address, "ann", "ann");
    let mut bob = Person::join(address, "bob", "ann, bob");
    ann.hears("* bob joined");
    let carl = Person::join(address, "carl", "ann, bob, carl");
    ann.hears("* carl joined");
    bob.hears("* carl joined");
    [ann, bob, carl]
}

fn a_line_goes_to_all_others_with_the_name_of_its_sender(serve: Serve) {
    let [mut ann, mut bob, mut carl] = three(start(serve, 100));
    ann.says("hello");
    bob.hears("ann: hello");
    carl.hears("ann: hello");
    bob.says("hello, ann");
    // If Ann received her own line, it would come first.
    ann.hears("bob: hello, ann");
    carl.hears("bob: hello, ann");
    // Lines that look like announcements are still lines of their sender.
    for line in ["i left", "* ann joined", "* bob left", "error: none", "ann: hello"] {
        bob.says(line);
        ann.hears(&format!("bob: {line}"));
        carl.hears(&format!("bob: {line}"));
    }
    ann.says("bob?");
    bob.hears("ann: bob?");
}

fn joining_is_announced_and_lists_the_members(serve: Serve) {
    let address = start(serve, 100);
    let mut zoe = Person::join(address, "zoe", "zoe");
    let mut bob = Person::join(address, "bob", "bob, zoe");
    zoe.hears("* bob joined");
    let _ann = Person::join(address, "ann", "ann, bob, zoe");
    zoe.hears("* ann joined");
    bob.hears("* ann joined");
}

fn leaving_is_announced_once(serve: Serve) {
    let [mut ann, mut bob, carl] = three(start(serve, 100));
    bob.says("bye, carl");
    ann.hears("bob: bye, carl");
    assert_eq!(carl.leaves(), "bob: bye, carl\\n", "the lines queued for carl");
    ann.hears("* carl left");
    bob.hears("* carl left");
    reset(bob.lines.into_inner());
    ann.hears("* bob left");
    assert_eq!(ann.leaves(), "", "what ann hears after both have left");
}

fn an_invalid_or_taken_name_is_rejected(serve: Serve) {
    let address = start(serve, 100);
    let mut ann = Person::join(address, "ann", "ann");
    for name in ["ann", "", "two words", "12345678901234567", "a:b", "é"] {
        let client = connect(address);
        send(&client, format!("{name}\n").as_bytes());
        let answer = rest_of(&client);
        assert!(answer.starts_with("error: "), "the name {name:?} should get a line `error: …`, but gets `{answer}`");
        assert_eq!(answer.matches("\\n").count(), 1, "the name {name:?} should get one line, but gets `{answer}`");
    }
    let longest = Person::join(address, "1234567890abcdef", "1234567890abcdef, ann");
    ann.hears("* 1234567890abcdef joined");
    longest.leaves();
    ann.hears("* 1234567890abcdef left");
    ann.leaves();
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
    let [mut ann, mut bob, mut carl] = three(address);
    ann.says("is anybody listening?");
    bob.hears("ann: is anybody listening?");
    carl.hears("ann: is anybody listening?");
    send(&late, b"ve\n");
    let mut dave = Person { name: "dave", lines: BufReader::new(late) };
    dave.hears("* here: ann, bob, carl, dave");
    ann.hears("* dave joined");
}

fn lines_are_split_at_line_ends_only(serve: Serve) {
    let [mut ann, mut bob, mut carl] = three(start(serve, 100));
    for byte in b"in pieces\r\n" {
        ann.sends(&[*byte]);
    }
    bob.hears("ann: in pieces");
    ann.sends(b"one\n\ntwo: \xff\n");
    for line in ["one", "", "two: \\xff"] {
        bob.hears(&format!("ann: {line}"));
    }
    let longest = "x".repeat(1024);
    ann.says(&longest);
    bob.hears(&format!("ann: {longest}"));
    for line in ["in pieces", "one", "", "two: \\xff", &longest] {
        carl.hears(&format!("ann: {line}"));
    }
    ann.says(&"x".repeat(1025));
    bob.hears("* ann left");
    carl.hears("* ann left");
    carl.sends(b"the end is nea");
    assert_eq!(carl.leaves(), "", "what carl hears last");
    bob.hears("* carl left");
}

fn all_members_receive_the_same_order(serve: Serve) {
    const LINES: usize = 200;
    let address = start(serve, 10 * LINES);
    let [mut ann, mut bob, mut carl] = three(address);
    let dave = Person::join(address, "dave", "ann, bob, carl, dave");
    carl.hears("* dave joined");
    let talk = (0..LINES).map(|number| format!("{number}\n")).collect::<Vec<_>>().concat();
    let (carls, daves) = thread::scope(|scope| {
        // The senders also read, or they would stall.
        for sender in [&mut ann, &mut bob] {
            let mut stream = sender.lines.get_ref().try_clone().unwrap();
            scope.spawn(move || (0..LINES).map(|_| sender.next()).last());
            let talk = &talk;
            scope.spawn(move || talk.split_inclusive('\n').try_for_each(|line| stream.write_all(line.as_bytes())));
        }
        let listeners =
            [carl, dave].map(|mut all| scope.spawn(move || (0..2 * LINES).map(|_| all.next()).collect::<Vec<_>>()));
        let [carls, daves] = listeners.map(|listener| listener.join().unwrap());
        (carls, daves)
    });
    assert!(carls == daves, "carl and dave should hear the same order, but hear\n{carls:?}\n{daves:?}");
    let anns = carls.iter().filter_map(|line| line.strip_prefix("ann: "));
    assert!(anns.eq(talk.lines()), "carl should hear all of ann's lines in her order, but hears {carls:?}");
}

fn a_member_within_its_backlog_loses_nothing(serve: Serve) {
    const BACKLOG: usize = 20;
    let [mut ann, mut bob, mut carl] = three(start(serve, BACKLOG));
    for round in 0..3 {
        for number in 0..BACKLOG {
            let line = format!("{round}.{number} {}", "x".repeat(900));
            ann.says(&line);
            carl.hears(&format!("ann: {line}"));
        }
        for number in 0..BACKLOG {
            bob.hears(&format!("ann: {round}.{number} {}", "x".repeat(900)));
        }
    }
}

fn a_stalled_member_blocks_no_other_and_is_disconnected(serve: Serve) {
    let address = start(serve, 10);
    let mut ann = Person::join(address, "ann", "ann");
    let mut carl = Person::join(address, "carl", "ann, carl");
    ann.hears("* carl joined");
    let stalled = Person::enter(connect_with_small_buffers(address), "bob", "ann, bob, carl");
    ann.hears("* bob joined");
    carl.hears("* bob joined");
    // Far more than the socket buffers hold for Bob: 20 MB.
    let long = "x".repeat(1000);
    let disconnected = (0..20_000).any(|number| {
        ann.says(&format!("{number} {long}"));
        let spoken = format!("ann: {number} {long}");
        match carl.next() {
            heard if heard == spoken => false,
            heard => {
                assert_eq!(heard, "* bob left", "what carl hears besides ann's lines");
                carl.hears(&spoken);
                true
            }
        }
    });
    assert!(
        disconnected,
        "bob should be disconnected when more than 10 lines are queued for him, but 20 MB of lines are"
    );
    ann.hears("* bob left");
    // After the buffered lines, Bob gets the end of the stream or a reset: anything but an open connection.
    let end = stalled.lines.lines().find_map(Result::err);
    let still_open =
        end.is_some_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    assert!(!still_open, "bob was announced as gone and should be disconnected, but his connection is still open");
    carl.says("where is bob?");
    ann.hears("carl: where is bob?");
}

fn lines_of_a_disconnected_member_are_dropped(serve: Serve) {
    // The race window is short, so the test runs several times.
    for _ in 0..5 {
        let heard = heard_while_bob_is_disconnected(serve);
        let left = heard.iter().position(|line| line == "* bob left");
        let left =
            left.unwrap_or_else(|| panic!("bob should be disconnected, but is not, after {} lines", heard.len()));
        let late = heard[left..].iter().filter(|line| line.starts_with("bob: ")).count();
        assert_eq!(late, 0, "how many lines of bob are heard after `* bob left`");
    }
}

/// What Carl receives while Bob, who does not read, is sending and is disconnected in the middle of it.
fn heard_while_bob_is_disconnected(serve: Serve) -> Vec<String> {
    const BURST: usize = 2_000;
    const LAST: usize = 60;
    const BACKLOG: usize = 2 * BURST + 4 * LAST;
    let long = format!("{}\n", "x".repeat(1000));
    // The last lines fit the queues of Ann and Carl, who read: only Bob is disconnected.
    let address = start(serve, BACKLOG);
    let mut ann = Person::join(address, "ann", "ann");
    let mut carl = Person::join(address, "carl", "ann, carl");
    let bob = Person::enter(connect_with_small_buffers(address), "bob", "ann, bob, carl");
    carl.hears("* bob joined");
    // As many as may be queued for Bob. A few of them are in the socket buffers.
    for _ in 0..BACKLOG / LAST {
        ann.sends(long.repeat(LAST).as_bytes());
        (0..LAST).for_each(|_| assert!(carl.next().starts_with("ann: x")));
    }
    let burst = "y\n".repeat(BURST);
    send(bob.lines.get_ref(), burst.as_bytes());
    ann.sends(long.repeat(LAST).as_bytes());
    // Bob may be disconnected already.
    let _ = bob.lines.get_ref().write_all(burst.as_bytes());
    // Time for lines of Bob that should not be forwarded any more.
    let mut heard = Vec::new();
    for question in (0..100).map(|number| format!("{number}?")) {
        ann.says(&question);
        let end = format!("ann: {question}");
        heard.extend(std::iter::repeat_with(|| carl.next()).take_while(|line| *line != end));
    }
    heard
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
