//! The checks of exercise 1.4: on a simulated network, where time passes only as scripted, and on the real one.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use exercises_01::contracts::{Kernel, Network};
use integration_tests::wait::ms;
use socket2::{Domain, SockRef, Socket, Type};

use crate::exercise_checks;
use crate::peer::listen;

type Connect<N> = fn(&[SocketAddr], Duration, &mut N) -> Result<<N as Network>::Connection, String>;

exercise_checks!(
    exercises_01,
    e4_connect_any::connect_any,
    [
        the_first_address_that_accepts_is_used,
        each_address_gets_an_even_share_of_the_limit,
        time_saved_by_a_quick_refusal_goes_to_later_addresses,
        addresses_after_the_deadline_are_not_tried,
        the_error_names_every_address_and_its_reason,
        no_address_is_an_error,
        a_full_accept_queue_does_not_use_up_the_deadline,
    ]
);

/// The failure message for a connection where no address accepts.
const NONE_ACCEPTS: &str = "no address accepts, so there should be an error, but there is a connection";

/// How a simulated address behaves.
#[derive(Debug, Clone, Copy)]
enum Behavior {
    /// It accepts after this time.
    Accepts(Duration),
    /// It refuses after this time.
    Refuses(Duration),
    /// It drops all packets.
    Drops,
    /// It drops all packets, and the machine is so busy that the attempt ends this much after its limit.
    DropsAndIsLate(Duration),
}

/// A simulated network: address N of [`SimulatedNetwork::addresses`] has behavior N.
#[derive(Debug)]
struct SimulatedNetwork {
    now: Instant,
    started_at: Instant,
    behaviors: Vec<Behavior>,
    /// The addresses that were tried, and the limit of each attempt.
    tried: Vec<(usize, Duration)>,
}

impl SimulatedNetwork {
    #[expect(clippy::disallowed_methods, reason = "there is no other way to make an `Instant`")]
    fn new(behaviors: &[Behavior]) -> Self {
        let now = Instant::now();
        Self { now, started_at: now, behaviors: behaviors.to_vec(), tried: Vec::new() }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        let ports = (1000..).take(self.behaviors.len());
        ports.map(|port| SocketAddr::from(([192, 0, 2, 1], port))).collect()
    }

    fn elapsed(&self) -> Duration {
        self.now - self.started_at
    }
}

impl Network for SimulatedNetwork {
    type Connection = usize;

    fn now(&self) -> Instant {
        self.now
    }

    fn connect(&mut self, address: SocketAddr, limit: Duration) -> io::Result<usize> {
        assert!(!limit.is_zero(), "`connect` should never get a limit of zero, but {address} was tried with it");
        let number = usize::from(address.port() - 1000);
        self.tried.push((number, limit));
        let (duration, result) = match self.behaviors[number] {
            Behavior::Accepts(after) if after <= limit => (after, Ok(number)),
            Behavior::Refuses(after) if after <= limit => (after, Err(ErrorKind::ConnectionRefused.into())),
            Behavior::DropsAndIsLate(late) => (limit + late, Err(ErrorKind::TimedOut.into())),
            _ => (limit, Err(ErrorKind::TimedOut.into())),
        };
        self.now += duration;
        result
    }
}

fn the_first_address_that_accepts_is_used(connect: Connect<SimulatedNetwork>) {
    let mut network =
        SimulatedNetwork::new(&[Behavior::Refuses(ms(0)), Behavior::Accepts(ms(10)), Behavior::Accepts(ms(0))]);
    assert_eq!(connect(&network.addresses(), ms(3000), &mut network), Ok(1), "which address is connected to");
    assert_eq!(
        network.tried.len(),
        2,
        "no address should be tried after one has accepted, but these were: {:?}",
        network.tried
    );
}

fn each_address_gets_an_even_share_of_the_limit(connect: Connect<SimulatedNetwork>) {
    let mut network = SimulatedNetwork::new(&[Behavior::Drops, Behavior::Drops, Behavior::Accepts(ms(900))]);
    assert_eq!(connect(&network.addresses(), ms(3000), &mut network), Ok(2), "which address is connected to");
    assert_eq!(network.tried, [(0, ms(1000)), (1, ms(1000)), (2, ms(1000))], "(address, limit)");
    let mut network = SimulatedNetwork::new(&[Behavior::Drops; 4]);
    connect(&network.addresses(), ms(2000), &mut network).expect_err(NONE_ACCEPTS);
    assert_eq!(network.elapsed(), ms(2000), "how long all attempts took together");
}

fn time_saved_by_a_quick_refusal_goes_to_later_addresses(connect: Connect<SimulatedNetwork>) {
    let mut network = SimulatedNetwork::new(&[
        Behavior::Refuses(ms(0)),
        Behavior::Refuses(ms(1000)),
        Behavior::Drops,
        Behavior::Accepts(ms(900)),
    ]);
    assert_eq!(connect(&network.addresses(), ms(3000), &mut network), Ok(3), "which address is connected to");
    let expected = [(0, ms(750)), (1, ms(1000)), (2, ms(1000)), (3, ms(1000))];
    assert_eq!(network.tried, expected, "(address, limit)");
}

fn addresses_after_the_deadline_are_not_tried(connect: Connect<SimulatedNetwork>) {
    let (late, accepts) = (Behavior::DropsAndIsLate(ms(5000)), Behavior::Accepts(ms(0)));
    let mut network = SimulatedNetwork::new(&[late, accepts, accepts]);
    let connected = connect(&network.addresses(), ms(3000), &mut network);
    let error = connected.expect_err("the time was over, so there should be an error, but there is a connection");
    assert_eq!(network.tried, [(0, ms(1000))], "(address, limit)");
    for address in &network.addresses()[1..] {
        let is_named = error.contains(&address.to_string());
        assert!(is_named, "{address} had no time, and should be in the error `{error}`");
    }
}

fn the_error_names_every_address_and_its_reason(connect: Connect<SimulatedNetwork>) {
    let mut network = SimulatedNetwork::new(&[Behavior::Refuses(ms(0)), Behavior::Drops, Behavior::Refuses(ms(1))]);
    let error = connect(&network.addresses(), ms(3000), &mut network).expect_err(NONE_ACCEPTS);
    let mut from = 0;
    let (refused, late) = (io::Error::from(ErrorKind::ConnectionRefused), io::Error::from(ErrorKind::TimedOut));
    for (address, reason) in network.addresses().iter().zip([&refused, &late, &refused]) {
        let part = format!("{address}: {reason}");
        let found = error[from..].find(&part);
        from += found.unwrap_or_else(|| panic!("the error should say `{part}`, in this order, but it is `{error}`"));
    }
    assert!(!error.contains('\n'), "the error should be one line, but it is {error:?}");
}

fn no_address_is_an_error(connect: Connect<SimulatedNetwork>) {
    let mut network = SimulatedNetwork::new(&[]);
    let error = connect(&[], ms(1000), &mut network).expect_err(NONE_ACCEPTS);
    assert!(!error.is_empty(), "the error should say that there is no address, but it is empty");
}

/// A listener whose accept queue is full, so Linux drops further SYNs. The connections fill the queue.
fn full_listener() -> Option<(TcpListener, Vec<TcpStream>)> {
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

fn a_full_accept_queue_does_not_use_up_the_deadline(connect: Connect<Kernel>) {
    let Some((silent, _queue)) = full_listener() else {
        println!("skipped: this kernel accepts connections beyond a full queue; the simulated checks cover this");
        return;
    };
    // Bound but not listening: it refuses, and no other process can have the port.
    let refusing = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    refusing.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let refusing = (refusing.local_addr().unwrap().as_socket().unwrap(), refusing);
    let (_listener, answering) = listen();
    let addresses = [refusing.0, silent.local_addr().unwrap(), answering];
    let connected = connect(&addresses, ms(1500), &mut Kernel);
    let stream = connected.unwrap_or_else(|error| panic!("{answering} listens and should be reached, but: {error}"));
    assert_eq!(stream.peer_addr().unwrap(), answering, "which address is connected to");
    let error = connect(&addresses[..2], ms(200), &mut Kernel).expect_err(NONE_ACCEPTS);
    let named = addresses[..2].iter().all(|address| error.contains(&address.to_string()));
    assert!(named, "the error should name both addresses, {:?}, but it is `{error}`", &addresses[..2]);
}
