//! The checks of exercise 1.4: on a staged network, where time passes only as the stage says, and on the real one.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use exercises_01::contracts::{Kernel, Network};
use integration_tests::held_to;
use integration_tests::wait::ms;
use socket2::{Domain, SockRef, Socket, Type};

use crate::peer::listen;

type Connect<N> = fn(&[SocketAddr], Duration, &mut N) -> Result<<N as Network>::Connection, String>;

held_to!(
    exercises_01,
    e4_any_address::connect_any,
    [
        the_first_that_answers_is_taken,
        each_gets_an_even_share_of_the_limit,
        what_a_quick_refusal_saves_goes_to_the_others,
        what_comes_after_the_deadline_is_not_tried,
        the_error_names_every_address_and_its_reason,
        no_address_is_an_error,
        a_full_queue_does_not_eat_the_deadline,
    ]
);

/// What is wrong where a connection comes of nothing.
const NOBODY: &str = "nobody answers, so there should be an error, but there is a connection";

/// How an address behaves on the stage.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// It answers after this time.
    Answers(Duration),
    /// It refuses after this time.
    Refuses(Duration),
    /// It says nothing.
    Swallows,
    /// It says nothing, and the machine is so busy that the attempt ends this much too late.
    SwallowsAndIsLate(Duration),
}

/// A network with a play to perform: address N of [`Stage::addresses`] does what act N says.
#[derive(Debug)]
struct Stage {
    now: Instant,
    opened: Instant,
    acts: Vec<Act>,
    /// Which address was tried, and how long it was given.
    tried: Vec<(usize, Duration)>,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "there is no other way to make an `Instant`")]
    fn new(acts: &[Act]) -> Self {
        let now = Instant::now();
        Self { now, opened: now, acts: acts.to_vec(), tried: Vec::new() }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        (0..self.acts.len()).map(|act| SocketAddr::from(([192, 0, 2, 1], 1000 + u16::try_from(act).unwrap()))).collect()
    }

    fn passed(&self) -> Duration {
        self.now - self.opened
    }
}

impl Network for Stage {
    type Connection = usize;

    fn now(&self) -> Instant {
        self.now
    }

    fn connect(&mut self, address: SocketAddr, limit: Duration) -> io::Result<usize> {
        assert!(!limit.is_zero(), "a limit of zero should never be asked for, but {address} was tried with it");
        let number = usize::from(address.port() - 1000);
        self.tried.push((number, limit));
        let (takes, answer) = match self.acts[number] {
            Act::Answers(after) if after <= limit => (after, Ok(number)),
            Act::Refuses(after) if after <= limit => (after, Err(ErrorKind::ConnectionRefused.into())),
            Act::SwallowsAndIsLate(late) => (limit + late, Err(ErrorKind::TimedOut.into())),
            _ => (limit, Err(ErrorKind::TimedOut.into())),
        };
        self.now += takes;
        answer
    }
}

fn the_first_that_answers_is_taken(connect: Connect<Stage>) {
    let acts = [Act::Refuses(ms(0)), Act::Answers(ms(10)), Act::Answers(ms(0))];
    let mut stage = Stage::new(&acts);
    assert_eq!(connect(&stage.addresses(), ms(3000), &mut stage), Ok(1), "which address is connected to");
    assert_eq!(stage.tried.len(), 2, "nothing should be tried after an answer, but these were: {:?}", stage.tried);
}

fn each_gets_an_even_share_of_the_limit(connect: Connect<Stage>) {
    let mut stage = Stage::new(&[Act::Swallows, Act::Swallows, Act::Answers(ms(900))]);
    assert_eq!(connect(&stage.addresses(), ms(3000), &mut stage), Ok(2), "which address is connected to");
    assert_eq!(stage.tried, [(0, ms(1000)), (1, ms(1000)), (2, ms(1000))], "(address, how long it was given)");
    let mut stage = Stage::new(&[Act::Swallows; 4]);
    connect(&stage.addresses(), ms(2000), &mut stage).expect_err(NOBODY);
    assert_eq!(stage.passed(), ms(2000), "how long all attempts took together");
}

fn what_a_quick_refusal_saves_goes_to_the_others(connect: Connect<Stage>) {
    let mut stage = Stage::new(&[Act::Refuses(ms(0)), Act::Refuses(ms(1000)), Act::Swallows, Act::Answers(ms(900))]);
    assert_eq!(connect(&stage.addresses(), ms(3000), &mut stage), Ok(3), "which address is connected to");
    let expected = [(0, ms(750)), (1, ms(1000)), (2, ms(1000)), (3, ms(1000))];
    assert_eq!(stage.tried, expected, "(address, how long it was given)");
}

fn what_comes_after_the_deadline_is_not_tried(connect: Connect<Stage>) {
    let mut stage = Stage::new(&[Act::SwallowsAndIsLate(ms(5000)), Act::Answers(ms(0))]);
    let connected = connect(&stage.addresses(), ms(2000), &mut stage);
    let error = connected.expect_err("the time was over, so there should be an error, but there is a connection");
    assert_eq!(stage.tried, [(0, ms(1000))], "(address, how long it was given)");
    assert!(error.contains("192.0.2.1:1001"), "192.0.2.1:1001 had no time, and should be in the error `{error}`");
}

fn the_error_names_every_address_and_its_reason(connect: Connect<Stage>) {
    let mut stage = Stage::new(&[Act::Refuses(ms(0)), Act::Swallows, Act::Refuses(ms(1))]);
    let error = connect(&stage.addresses(), ms(3000), &mut stage).expect_err(NOBODY);
    let mut from = 0;
    let (refused, late) = (io::Error::from(ErrorKind::ConnectionRefused), io::Error::from(ErrorKind::TimedOut));
    for (address, reason) in stage.addresses().iter().zip([&refused, &late, &refused]) {
        let part = format!("{address}: {reason}");
        let found = error[from..].find(&part);
        from += found.unwrap_or_else(|| panic!("the error should say `{part}`, in this order, but it is `{error}`"));
    }
    assert!(!error.contains('\n'), "the error should be one line, but it is {error:?}");
}

fn no_address_is_an_error(connect: Connect<Stage>) {
    let mut stage = Stage::new(&[]);
    let error = connect(&[], ms(1000), &mut stage).expect_err(NOBODY);
    assert!(!error.is_empty(), "the error should say that there is no address, but it is empty");
}

/// A listener whose queue is full: Linux drops what asks for a place in it. The connections fill it.
fn swallower() -> Option<(TcpListener, Vec<TcpStream>)> {
    let (listener, address) = listen();
    SockRef::from(&listener).listen(0).unwrap();
    let mut queue = Vec::new();
    while queue.len() < 64 {
        match TcpStream::connect_timeout(&address, ms(300)) {
            Ok(stream) => queue.push(stream),
            Err(_) => return Some((listener, queue)),
        }
    }
    None
}

fn a_full_queue_does_not_eat_the_deadline(connect: Connect<Kernel>) {
    let Some((silent, _queue)) = swallower() else {
        println!("skipped: this kernel lets every client into a full queue; the staged networks have shown it");
        return;
    };
    // Bound and not listening: the port is nobody else's, and refuses.
    let refusing = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    refusing.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let refusing = (refusing.local_addr().unwrap().as_socket().unwrap(), refusing);
    let (_listener, answering) = listen();
    let addresses = [refusing.0, silent.local_addr().unwrap(), answering];
    let connected = connect(&addresses, ms(1500), &mut Kernel);
    let stream = connected.unwrap_or_else(|error| panic!("{answering} listens and should be reached, but: {error}"));
    assert_eq!(stream.peer_addr().unwrap(), answering, "which address is connected to");
    let error = connect(&addresses[..2], ms(200), &mut Kernel).expect_err(NOBODY);
    let named = addresses[..2].iter().all(|address| error.contains(&address.to_string()));
    assert!(named, "the error should name both addresses, {:?}, but it is `{error}`", &addresses[..2]);
}
