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
        a_line_goes_to_all_others_with_its_speaker_in_front,
        who_comes_is_announced_and_told_who_is_here,
        who_leaves_is_announced_once,
        a_bad_or_taken_name_is_refused,
        who_has_no_name_yet_hears_nothing,
        lines_are_cut_at_their_ends_only,
        all_hear_the_same_order,
        a_reader_within_its_backlog_loses_nothing,
        a_stalled_reader_stops_nobody_and_is_cut_off,
        who_was_cut_off_is_not_heard_any_more,
        who_is_refused_is_not_reset,
    ]
);

fn start(serve: Serve, backlog: usize) -> SocketAddr {
    let (listener, address) = listen_with_small_buffers();
    thread::spawn(move || serve(&listener, backlog));
    address
}

/// Somebody in the room.
struct Person {
    name: &'static str,
    lines: BufReader<TcpStream>,
}

impl Person {
    /// Comes in, and checks what it is told: so all that happens later, it hears.
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

    /// Has nothing more to say, and hears the rest.
    fn leaves(self) -> String {
        let heard = self.lines.buffer().escape_ascii();
        assert!(self.lines.buffer().is_empty(), "{} should hear nothing now, but heard `{heard}`", self.name);
        let stream = self.lines.into_inner();
        end(&stream);
        rest_of(&stream)
    }
}

/// Ann, Bob and Carl, who know of each other.
fn three(address: SocketAddr) -> [Person; 3] {
    let mut ann = Person::join(address, "ann", "ann");
    let mut bob = Person::join(address, "bob", "ann, bob");
    ann.hears("* bob joined");
    let carl = Person::join(address, "carl", "ann, bob, carl");
    ann.hears("* carl joined");
    bob.hears("* carl joined");
    [ann, bob, carl]
}

fn a_line_goes_to_all_others_with_its_speaker_in_front(serve: Serve) {
    let [mut ann, mut bob, mut carl] = three(start(serve, 100));
    ann.says("hello");
    bob.hears("ann: hello");
    carl.hears("ann: hello");
    bob.says("hello, ann");
    // Had Ann heard herself, it would be now.
    ann.hears("bob: hello, ann");
    carl.hears("bob: hello, ann");
    // Said, and no news: whose line it is does not depend on its words.
    for line in ["i left", "* ann joined", "* bob left", "error: none", "ann: hello"] {
        bob.says(line);
        ann.hears(&format!("bob: {line}"));
        carl.hears(&format!("bob: {line}"));
    }
    ann.says("bob?");
    bob.hears("ann: bob?");
}

fn who_comes_is_announced_and_told_who_is_here(serve: Serve) {
    let address = start(serve, 100);
    let mut zoe = Person::join(address, "zoe", "zoe");
    let mut bob = Person::join(address, "bob", "bob, zoe");
    zoe.hears("* bob joined");
    let _ann = Person::join(address, "ann", "ann, bob, zoe");
    zoe.hears("* ann joined");
    bob.hears("* ann joined");
}

fn who_leaves_is_announced_once(serve: Serve) {
    let [mut ann, mut bob, carl] = three(start(serve, 100));
    bob.says("bye, carl");
    ann.hears("bob: bye, carl");
    assert_eq!(carl.leaves(), "bob: bye, carl\\n", "what carl was owed");
    ann.hears("* carl left");
    bob.hears("* carl left");
    reset(bob.lines.into_inner());
    ann.hears("* bob left");
    assert_eq!(ann.leaves(), "", "what ann hears after all was announced once");
}

fn a_bad_or_taken_name_is_refused(serve: Serve) {
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

fn who_has_no_name_yet_hears_nothing(serve: Serve) {
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

fn lines_are_cut_at_their_ends_only(serve: Serve) {
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

fn all_hear_the_same_order(serve: Serve) {
    const LINES: usize = 200;
    let address = start(serve, 10 * LINES);
    let [mut ann, mut bob, mut carl] = three(address);
    let dave = Person::join(address, "dave", "ann, bob, carl, dave");
    carl.hears("* dave joined");
    let talk = (0..LINES).map(|number| format!("{number}\n")).collect::<Vec<_>>().concat();
    let (carls, daves) = thread::scope(|scope| {
        // Who speaks also listens, or would be the one that stalls.
        for speaker in [&mut ann, &mut bob] {
            let mut mouth = speaker.lines.get_ref().try_clone().unwrap();
            scope.spawn(move || (0..LINES).map(|_| speaker.next()).last());
            let talk = &talk;
            scope.spawn(move || talk.split_inclusive('\n').try_for_each(|line| mouth.write_all(line.as_bytes())));
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

fn a_reader_within_its_backlog_loses_nothing(serve: Serve) {
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

fn a_stalled_reader_stops_nobody_and_is_cut_off(serve: Serve) {
    let address = start(serve, 10);
    let mut ann = Person::join(address, "ann", "ann");
    let mut carl = Person::join(address, "carl", "ann, carl");
    ann.hears("* carl joined");
    let stalled = Person::enter(connect_with_small_buffers(address), "bob", "ann, bob, carl");
    ann.hears("* bob joined");
    carl.hears("* bob joined");
    // Far more than the kernel holds for Bob: 20 MB.
    let long = "x".repeat(1000);
    let cut_off = (0..20_000).any(|number| {
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
    assert!(cut_off, "bob should be cut off when more than 10 lines wait for him, but 20 MB of lines do");
    ann.hears("* bob left");
    // Bob finds the end, or a reset, after what the kernel holds for him; anything but an open connection.
    let end = stalled.lines.lines().find_map(Result::err);
    let still_open =
        end.is_some_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    assert!(!still_open, "bob was announced as gone and should be cut off, but his connection is still open");
    carl.says("where is bob?");
    ann.hears("carl: where is bob?");
}

fn who_was_cut_off_is_not_heard_any_more(serve: Serve) {
    // The moment to be hit is short: a few rooms, to be sure.
    for _ in 0..5 {
        let heard = heard_while_bob_is_cut_off(serve);
        let left = heard.iter().position(|line| line == "* bob left");
        let left = left.unwrap_or_else(|| panic!("bob should be cut off, but is not, after {} lines", heard.len()));
        let late = heard[left..].iter().filter(|line| line.starts_with("bob: ")).count();
        assert_eq!(late, 0, "how many lines of bob are heard after `* bob left`");
    }
}

/// What Carl hears while Bob, who does not read, talks and is cut off in the middle of it.
fn heard_while_bob_is_cut_off(serve: Serve) -> Vec<String> {
    const BURST: usize = 2_000;
    const LAST: usize = 60;
    const BACKLOG: usize = 2 * BURST + 4 * LAST;
    let long = format!("{}\n", "x".repeat(1000));
    // All that is said in the end can wait for Ann and Carl, who read: Bob alone is cut off.
    let address = start(serve, BACKLOG);
    let mut ann = Person::join(address, "ann", "ann");
    let mut carl = Person::join(address, "carl", "ann, carl");
    let bob = Person::enter(connect_with_small_buffers(address), "bob", "ann, bob, carl");
    carl.hears("* bob joined");
    // As many as may wait for Bob. The kernel has taken a few of them.
    for _ in 0..BACKLOG / LAST {
        ann.sends(long.repeat(LAST).as_bytes());
        (0..LAST).for_each(|_| assert!(carl.next().starts_with("ann: x")));
    }
    let burst = "y\n".repeat(BURST);
    send(bob.lines.get_ref(), burst.as_bytes());
    ann.sends(long.repeat(LAST).as_bytes());
    // He may be gone already.
    let _ = bob.lines.get_ref().write_all(burst.as_bytes());
    // Time to say what should not be said any more.
    let mut heard = Vec::new();
    for question in (0..100).map(|number| format!("{number}?")) {
        ann.says(&question);
        let end = format!("ann: {question}");
        heard.extend(std::iter::repeat_with(|| carl.next()).take_while(|line| *line != end));
    }
    heard
}

fn who_is_refused_is_not_reset(serve: Serve) {
    let address = start(serve, 100);
    // More than one, for a reset comes when the server's thread gets to it.
    for _ in 0..10 {
        let client = connect(address);
        send(&client, b"two words\n");
        let answer = rest_of(&client);
        assert!(answer.starts_with("error: "), "a bad name should get a line `error: …`, but gets `{answer}`");
        for _ in 0..50 {
            send(&client, "and some of those lines that nobody waits for\n".repeat(20).as_bytes());
        }
    }
}
