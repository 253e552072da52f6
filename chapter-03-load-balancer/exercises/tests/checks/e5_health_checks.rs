//! The checks of exercise 3.5.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use exercises_03::contracts::{CheckSettings, CheckState, HealthChecker, HealthTarget, RunningChecks, StatusChange};
use integration_tests::wait::{TEST_TIMEOUT, ms, until};
use socket2::{Domain, Socket, Type};

use crate::exercise_checks;

exercise_checks!(
    exercises_03,
    e5_health_checks::health_checker,
    [
        consecutive_failures_mark_down_and_consecutive_successes_mark_up,
        a_contrary_result_resets_the_count,
        a_change_is_reported_once,
        a_backend_that_refuses_goes_down_and_comes_back,
        a_backend_that_drops_all_packets_goes_down,
        a_backend_that_drops_all_packets_delays_no_other_checks,
        the_first_check_does_not_wait_for_the_interval,
        stop_ends_all_threads_in_the_middle_of_an_interval,
        stop_waits_for_a_check_that_is_running,
    ]
);

const SETTINGS: CheckSettings = CheckSettings { interval: ms(5), timeout: TEST_TIMEOUT, fall: 3, rise: 2 };
const AN_HOUR: Duration = Duration::from_hours(1);

/// The changes that a check state reports for results (`.` is a success, `x` a failure): `U`, `D`, or `-` for no
/// change.
fn changes<H: HealthChecker>(checker: &H, results: &str) -> String {
    let mut state = checker.check_state();
    let change = |result| match state.observe(result == '.') {
        Some(StatusChange::Up) => 'U',
        Some(StatusChange::Down) => 'D',
        None => '-',
    };
    results.chars().map(change).collect()
}

fn target(address: SocketAddr) -> HealthTarget {
    HealthTarget { address, up: Arc::new(AtomicBool::new(true)) }
}

fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A backend that accepts, and counts the connections; its thread ends with the test's process.
fn accepting_backend() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        while listener.accept().is_ok() {
            counted.fetch_add(1, Relaxed);
        }
    });
    (address, count)
}

/// A backend whose accept queue is full: a connect to it gets no answer while the sockets are open.
fn dropping_backend() -> (Vec<Socket>, SocketAddr) {
    let (listener, address) = bound();
    listener.listen(0).unwrap();
    let mut held = vec![listener];
    for _ in 0..64 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let is_full = filler.connect_timeout(&address.into(), ms(300)).is_err();
        held.push(filler);
        if is_full {
            return (held, address);
        }
    }
    panic!("the accept queue of a listener that never accepts should fill, but does not");
}

/// Calls `stop`, and panics if it does not return in time.
fn stop(running: impl RunningChecks) {
    let (done, stopped) = mpsc::channel();
    thread::spawn(move || {
        running.stop();
        let _ = done.send(());
    });
    stopped.recv_timeout(TEST_TIMEOUT).expect("`stop` should return, but does not");
}

fn consecutive_failures_mark_down_and_consecutive_successes_mark_up<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    assert_eq!(changes(&new(SETTINGS), "xxx.."), "--D-U", "the changes for xxx.., fall 3, rise 2");
    let sensitive = CheckSettings { fall: 1, rise: 1, ..SETTINGS };
    assert_eq!(changes(&new(sensitive), "x.x."), "DUDU", "the changes for x.x., fall 1, rise 1");
}

fn a_contrary_result_resets_the_count<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    assert_eq!(
        changes(&new(SETTINGS), "xx.xx.xxx"),
        "--------D",
        "the changes for xx.xx.xxx: only the last three are in a row"
    );
    assert_eq!(
        changes(&new(SETTINGS), "xxx.x.x.."),
        "--D-----U",
        "the changes for xxx.x.x..: only the last two are in a row"
    );
}

fn a_change_is_reported_once<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    assert_eq!(changes(&new(SETTINGS), "......."), "-------", "the changes for seven successes: it was up at first");
    assert_eq!(changes(&new(SETTINGS), "xxxxxxxx....xxx"), "--D------U----D", "the changes for xxxxxxxx....xxx");
}

fn a_backend_that_refuses_goes_down_and_comes_back<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    // Bound but not listening: it refuses, and no other process can have the port.
    let (socket, address) = bound();
    let (refusing, (address_of_other, _)) = (target(address), accepting_backend());
    let other = target(address_of_other);
    let running = new(SETTINGS).start(vec![refusing.clone(), other.clone()]).unwrap();
    until("the backend that refuses should be marked down", || !refusing.up.load(Relaxed));
    socket.listen(128).unwrap();
    let listener = TcpListener::from(socket);
    thread::spawn(move || while listener.accept().is_ok() {});
    until("the backend that listens now should be marked up", || refusing.up.load(Relaxed));
    assert!(other.up.load(Relaxed), "the other backend was always reachable and should be up, but it is marked down");
    stop(running);
}

fn a_backend_that_drops_all_packets_goes_down<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    let (_held, address) = dropping_backend();
    let silent = target(address);
    let running = new(CheckSettings { timeout: ms(20), ..SETTINGS }).start(vec![silent.clone()]).unwrap();
    until("the silent backend should be marked down, after three timeouts of 20 ms", || !silent.up.load(Relaxed));
    stop(running);
}

fn a_backend_that_drops_all_packets_delays_no_other_checks<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    let (held, silent) = dropping_backend();
    let (address, count) = accepting_backend();
    let running = new(SETTINGS).start(vec![target(silent), target(address), target(silent)]).unwrap();
    until("there should be 20 checks of the healthy backend, while a connect to the silent ones may take 10 s", || {
        count.load(Relaxed) >= 20
    });
    // Closing the listener resets the pending connects, so the checks end.
    drop(held);
    stop(running);
}

fn the_first_check_does_not_wait_for_the_interval<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    let (_refuses, address) = bound();
    let backend = target(address);
    let running = new(CheckSettings { interval: AN_HOUR, fall: 1, ..SETTINGS }).start(vec![backend.clone()]).unwrap();
    until("the dead backend should be marked down by the first check, an hour before the second", || {
        !backend.up.load(Relaxed)
    });
    stop(running);
}

fn stop_ends_all_threads_in_the_middle_of_an_interval<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    let (address, count) = accepting_backend();
    let backends: Vec<_> = (0..3).map(|_| target(address)).collect();
    let running = new(CheckSettings { interval: AN_HOUR, ..SETTINGS }).start(backends.clone()).unwrap();
    until("each of three should have been checked once", || count.load(Relaxed) == 3);
    stop(running);
    for backend in backends {
        assert_eq!(Arc::strong_count(&backend.up), 1, "after `stop` only the check should hold a backend's flag");
    }
}

fn stop_waits_for_a_check_that_is_running<H: HealthChecker>(new: fn(CheckSettings) -> H) {
    let (_held, address) = dropping_backend();
    let backends: Vec<_> = (0..3).map(|_| target(address)).collect();
    // The connects are in progress, and end with their timeout.
    let running = new(CheckSettings { timeout: ms(500), ..SETTINGS }).start(backends.clone()).unwrap();
    stop(running);
    for backend in backends {
        assert_eq!(Arc::strong_count(&backend.up), 1, "after `stop` only the check should hold a backend's flag");
    }
}
