//! The driver against sockets: a server that answers, one that closes, one that is silent, none.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use common::shutdown::Shutdown;

use super::{Arrivals, Driver, Load as _, Request, SendMode, failure::Failure};

/// Answers every request on a thread per connection; closes after `most` answers.
fn origin(most: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                for turn in 1..=most {
                    if !matches!(stream.read(&mut buffer), Ok(1..)) {
                        return;
                    }
                    let close = if turn == most { "Connection: close\r\n" } else { "" };
                    let _ = write!(stream, "HTTP/1.1 200 OK\r\n{close}Content-Length: 2\r\n\r\nok");
                }
            });
        }
    });
    addr
}

fn driver(to: SocketAddr, clients: usize, mode: SendMode, stop: &Shutdown) -> Driver<'_> {
    let request = Request::new(to, &["/".to_owned()], 0, false, 2);
    Driver::new(to, request, clients, mode, stop).unwrap()
}

fn failures(driver: &Driver<'_>) -> Vec<(Failure, u64)> {
    driver.tally().failures().collect()
}

const WINDOW: Duration = Duration::from_millis(150);
const GRACE: Duration = Duration::from_secs(10);

#[test]
fn closed_loop_outlives_connections_and_goes_on_after_a_pause() {
    let stop = Shutdown::new().unwrap();
    let mut driver = driver(origin(5), 3, SendMode::Closed, &stop);
    for _ in 0..2 {
        // Three clients, five answers per connection: more than 15 need further connections.
        for _ in 0..60 {
            driver.run(WINDOW).unwrap();
            if driver.tally().answered > 15 {
                break;
            }
        }
        driver.drain(GRACE).unwrap();
        assert!(driver.tally().answered > 15, "{}", driver.tally().answered);
        assert_eq!(failures(&driver), []);
        driver.reset();
    }
}

#[test]
fn open_loop_sends_at_its_rate() {
    let stop = Shutdown::new().unwrap();
    let mut driver = driver(origin(usize::MAX), 8, SendMode::Open(Arrivals::new(1_000.0)), &stop);
    driver.run(WINDOW * 4).unwrap();
    driver.drain(GRACE).unwrap();
    // More where this thread had to wait for the end of its phase.
    assert!((450..=1_500).contains(&driver.tally().answered), "{}", driver.tally().answered);
    assert_eq!(failures(&driver), []);
}

#[test]
fn each_client_asks_once_and_stays() {
    let stop = Shutdown::new().unwrap();
    let mut driver = driver(origin(usize::MAX), 150, SendMode::Once, &stop);
    assert_eq!(driver.request_once(GRACE).unwrap(), 150);
    assert_eq!((driver.tally().answered, failures(&driver)), (150, vec![]));
}

#[test]
fn closed_loop_may_connect_its_clients_in_turn_before_it_runs() {
    let stop = Shutdown::new().unwrap();
    let mut driver = driver(origin(usize::MAX), 150, SendMode::Closed, &stop);
    assert_eq!(driver.request_once(GRACE).unwrap(), 150);
    assert_eq!(driver.tally().answered, 150);
    driver.run(WINDOW).unwrap();
    driver.drain(GRACE).unwrap();
    assert!(driver.tally().answered > 300, "{}", driver.tally().answered);
    assert_eq!(failures(&driver), []);
}

#[test]
fn dead_port_is_retried_with_pauses() {
    let to = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stop = Shutdown::new().unwrap();
    let mut driver = driver(to, 2, SendMode::Closed, &stop);
    driver.run(WINDOW).unwrap();
    let failures = failures(&driver);
    assert!(matches!(failures[..], [(Failure::Connect, 2..=40)]), "{failures:?}");
}

#[test]
fn silence_is_a_failure_once_the_grace_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stop = Shutdown::new().unwrap();
    let mut driver = driver(listener.local_addr().unwrap(), 4, SendMode::Closed, &stop);
    driver.run(WINDOW / 10).unwrap();
    driver.drain(WINDOW / 10).unwrap();
    assert_eq!(failures(&driver), [(Failure::Unanswered, 4)]);
}

#[test]
fn request_to_stop_ends_a_phase() {
    let stop = Shutdown::new().unwrap();
    stop.drain();
    let mut driver = driver(origin(1), 1, SendMode::Closed, &stop);
    assert!(driver.run(GRACE).unwrap() < GRACE);
}
