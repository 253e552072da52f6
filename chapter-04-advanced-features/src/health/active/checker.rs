//! The thread of the health checks.
//!
//! It drives all checks in flight, none of which blocks: neither traffic nor another backend's check waits for a backend
//! that is a black hole. Chapters 5 and 6 keep this thread, because health checks must not depend on the event loops that
//! they share a process with. The invariant: one check at a time per backend, so a
//! [`CheckState`](super::state::CheckState) gets its results in order and needs no lock.
//!
//! A thread per check, which this replaced, took three times the CPU time of HAProxy's checks.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use mio::{Poll, Waker};

use super::{
    control::{CheckerControl, WAKE},
    scheduler::CheckScheduler,
    target::HealthTarget,
};

/// Checks backends until it is dropped, which cancels all checks and joins their thread. Do not drop it under a lock
/// that [`HealthTarget::on_check_result`] takes.
#[derive(Debug)]
pub struct HealthChecker<T> {
    control: Arc<CheckerControl<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: HealthTarget> HealthChecker<T> {
    /// Starts to check the backends that `targets` returns, at most `max_in_flight` at a time: a check takes a
    /// descriptor, and the others are left to clients. `targets` is called at the shortest interval of any of them: a new
    /// backend is checked soon, a removed one no more. It lives as long as the checker, so it must not own the checker.
    ///
    /// # Errors
    /// No file descriptor or thread is available.
    pub fn start(max_in_flight: usize, targets: impl Fn() -> Vec<Arc<T>> + Send + 'static) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let control = Arc::new(CheckerControl::new(waker));
        let mut scheduler = CheckScheduler::new(max_in_flight, poll.registry().try_clone()?);
        let seen = Arc::clone(&control);
        let run = move || scheduler.run(poll, &seen, &targets);
        let thread = Some(thread::Builder::new().name("health".into()).spawn(run)?);
        Ok(Self { control, thread })
    }

    /// A live connect to `target` has failed: checks it soon, not in two seconds.
    pub fn check_now(&self, target: &Arc<T>) {
        self.control.check_soon(target);
    }
}

impl<T> Drop for HealthChecker<T> {
    fn drop(&mut self) {
        self.control.stop();
        // The last owner may be a target, dropped on the checker's own thread, which cannot join itself.
        let is_other_thread = |thread: &JoinHandle<()>| thread.thread().id() != thread::current().id();
        if let Some(thread) = self.thread.take().filter(is_other_thread) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{SocketAddr, TcpListener},
        sync::{
            Mutex,
            atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
            mpsc::{Receiver, RecvTimeoutError, Sender, channel},
        },
        time::{Duration, Instant},
    };

    use common::{clock::now, net::Addresses};

    use super::*;
    use crate::health::active::test_backend::{BlackHole, RefusingPort, TestBackend};
    use crate::health::active::{config::CheckConfig, health_status::HealthTransition};

    const LONG: Duration = Duration::from_secs(20);

    /// A target that sends its check results to a channel, which disconnects when the target is dropped.
    #[derive(Debug)]
    struct RecordingTarget {
        check: Arc<CheckConfig>,
        address: SocketAddr,
        results_tx: Sender<(bool, Option<HealthTransition>)>,
    }

    impl HealthTarget for RecordingTarget {
        fn check_config(&self) -> Option<Arc<CheckConfig>> {
            Some(Arc::clone(&self.check))
        }
        fn addresses(&self) -> Addresses {
            [self.address].into_iter().collect()
        }
        fn host_header(&self) -> String {
            self.address.to_string()
        }
        fn on_check_result(&self, outcome: Result<(), String>, transition: Option<HealthTransition>, _: Instant) {
            let _ = self.results_tx.send((outcome.is_ok(), transition));
        }
    }

    type Results = Receiver<(bool, Option<HealthTransition>)>;

    fn target(check: &str, address: SocketAddr) -> (Arc<RecordingTarget>, Results) {
        let (results_tx, results_rx) = channel();
        (Arc::new(RecordingTarget { check: Arc::new(check.parse().unwrap()), address, results_tx }), results_rx)
    }

    const MAX_IN_FLIGHT: usize = 256;

    fn start(targets: Vec<Arc<RecordingTarget>>) -> HealthChecker<RecordingTarget> {
        HealthChecker::start(MAX_IN_FLIGHT, move || targets.clone()).unwrap()
    }

    fn owned(targets: &[(Arc<RecordingTarget>, Results)]) -> Vec<Arc<RecordingTarget>> {
        targets.iter().map(|(target, _)| Arc::clone(target)).collect()
    }

    #[test]
    fn black_hole_delays_no_other_check_and_ends_with_the_checker() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let (hole, dead) = (BlackHole::new(), RefusingPort::new());
        let targets = [hole.address, dead.address, ok.address];
        let targets = targets.map(|address| target("http:/health,interval=10ms,timeout=1h", address));
        let checker = start(owned(&targets));
        let next = |index: usize| targets[index].1.recv_timeout(LONG).expect("no check waits for the black hole");
        assert_eq!(next(1), (false, Some(HealthTransition::Down)), "the first check of a new backend decides");
        for _ in 0..10 {
            assert_eq!(next(1), (false, None));
            assert_eq!(next(2), (true, None));
        }
        let began = now();
        drop(checker);
        assert!(now() - began < LONG, "it did not wait for the hour");
        assert!(targets[0].1.try_recv().is_err(), "a cancelled check has no result");
    }

    #[test]
    fn three_failures_mark_down_and_two_successes_mark_up() {
        let is_ok = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&is_ok);
        let backend = TestBackend::with_handler(move |mut stream, _| {
            let status = if seen.load(SeqCst) { "200 OK" } else { "500 Internal Server Error" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\n\r\n");
        });
        let (target_a, results_rx) = target("http:/health,interval=10ms,fall=3,rise=2", backend.address);
        let _checker = start(vec![target_a]);
        let until_change = |ok: bool| {
            let mut results = 0;
            loop {
                let (was_ok, change) = results_rx.recv_timeout(LONG).unwrap();
                results += u32::from(was_ok == ok);
                if let Some(change) = change {
                    return (change, results);
                }
            }
        };
        assert_eq!(results_rx.recv_timeout(LONG), Ok((true, None)));
        is_ok.store(false, SeqCst);
        assert_eq!(until_change(false), (HealthTransition::Down, 3));
        is_ok.store(true, SeqCst);
        assert_eq!(until_change(true), (HealthTransition::Up, 2));
    }

    #[test]
    fn checks_added_backends_and_drops_removed_ones() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let targets = Arc::new(Mutex::new(Vec::new()));
        let source = Arc::clone(&targets);
        let _checker = HealthChecker::start(MAX_IN_FLIGHT, move || source.lock().unwrap().clone()).unwrap();
        let (first, first_rx) = target("http:/health,interval=10ms", ok.address);
        targets.lock().unwrap().push(first);
        assert_eq!(first_rx.recv_timeout(LONG), Ok((true, None)));
        let (second, second_rx) = target("http:/health,interval=20ms", ok.address);
        *targets.lock().unwrap() = vec![second];
        assert_eq!(second_rx.recv_timeout(LONG), Ok((true, None)));
        // The first target has no owner any more, so its channel disconnects.
        let last = std::iter::from_fn(|| Some(first_rx.recv_timeout(LONG))).find_map(Result::err);
        assert_eq!(last, Some(RecvTimeoutError::Disconnected));
    }

    /// Two groups can have checks that differ.
    #[test]
    fn targets_have_checks_of_their_own() {
        let backend = TestBackend::with_handler(|mut stream, head| {
            let status = if head.starts_with("GET /a ") { "200 OK" } else { "500 Internal Server Error" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\n\r\n");
        });
        let of_path = |path: &str| target(&format!("http:{path},interval=10ms"), backend.address);
        let targets = [of_path("/a"), of_path("/b")];
        let _checker = start(owned(&targets));
        for _ in 0..3 {
            assert!(targets[0].1.recv_timeout(LONG).unwrap().0, "its path is healthy");
            assert!(!targets[1].1.recv_timeout(LONG).unwrap().0, "its path is not");
        }
    }

    #[test]
    fn check_now_does_not_wait_for_the_interval() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let (target_a, results_rx) = target("http:/health,interval=1h,fast=1ms", ok.address);
        let checker = start(vec![Arc::clone(&target_a)]);
        for _ in 0..3 {
            assert_eq!(results_rx.recv_timeout(LONG), Ok((true, None)));
            for _ in 0..100 {
                checker.check_now(&target_a);
            }
        }
    }

    /// The reason of the first result of a check of `address`.
    fn reason_for(check: &str, address: SocketAddr) -> Result<(), String> {
        #[derive(Debug)]
        struct ReasonTarget(Arc<CheckConfig>, SocketAddr, Sender<Result<(), String>>);
        impl HealthTarget for ReasonTarget {
            fn check_config(&self) -> Option<Arc<CheckConfig>> {
                Some(Arc::clone(&self.0))
            }
            fn addresses(&self) -> Addresses {
                [self.1].into_iter().collect()
            }
            fn host_header(&self) -> String {
                "backend.test:80".into()
            }
            fn on_check_result(&self, outcome: Result<(), String>, _: Option<HealthTransition>, _: Instant) {
                let _ = self.2.send(outcome);
            }
        }
        let (results_tx, results_rx) = channel();
        let target = Arc::new(ReasonTarget(Arc::new(check.parse().unwrap()), address, results_tx));
        let _checker = HealthChecker::start(MAX_IN_FLIGHT, move || vec![Arc::clone(&target)]).unwrap();
        results_rx.recv_timeout(LONG).unwrap()
    }

    #[test]
    fn reports_why_a_backend_is_unhealthy() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well\n");
        for text in ["tcp", "http:/health", "http:/,body=is well", "http:/,expect=200"] {
            assert_eq!(reason_for(text, ok.address), Ok(()), "{text}");
        }
        let dead = RefusingPort::new();
        assert_eq!(reason_for(&format!("http:/,port={}", ok.address.port()), dead.address), Ok(()), "its own port");
        let refused = reason_for("tcp", dead.address).unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
        for (answer, text, reason) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "http:/", "status 503, expected 200-399"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "http:/,body=yes", "the body does not contain 'yes'"),
            ("", "http:/", "connection closed before the response was complete"),
            ("220 mail.example ESMTP\r\n", "http:/", "not an HTTP/1 response: invalid HTTP version"),
        ] {
            let backend = TestBackend::with_response(answer);
            assert_eq!(reason_for(text, backend.address), Err(reason.into()));
        }
        let hole = BlackHole::new();
        assert_eq!(reason_for("tcp,timeout=300ms", hole.address), Err("connect timed out after 300ms".into()));
        // The kernel completes the handshake; no process responds.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let reason = reason_for("http:/,timeout=300ms", silent.local_addr().unwrap());
        assert_eq!(reason, Err("response timed out after 300ms".into()));
    }

    /// Only the maximum of checks in flight bounds the number of backends that hang at the same time.
    #[test]
    fn a_hundred_black_holes_among_five_hundred_backends_delay_no_other_check() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let (hole, silent) = (BlackHole::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        for (timeout, hang_result) in [("1h", None), ("2s", Some((false, Some(HealthTransition::Down))))] {
            let target = |address| target(&format!("http:/health,interval=100ms,timeout={timeout}"), address);
            let targets: Vec<_> = (0..500)
                .map(|index| match index % 10 {
                    3 => (target(hole.address), hang_result),
                    7 => (target(silent.local_addr().unwrap()), hang_result),
                    _ => (target(ok.address), Some((true, None))),
                })
                .collect();
            let checker = start(targets.iter().map(|((target, _), _)| Arc::clone(target)).collect());
            for (index, ((_, results_rx), expected)) in targets.iter().enumerate() {
                if let Some(expected) = expected {
                    assert_eq!(results_rx.recv_timeout(LONG).as_ref(), Ok(expected), "backend {index}");
                }
            }
            drop(checker);
            for ((_, results_rx), _) in targets.iter().filter(|(_, expected)| expected.is_none()) {
                assert!(results_rx.try_recv().is_err(), "a cancelled check has no result");
            }
        }
    }

    #[test]
    fn checks_beyond_the_maximum_in_flight_wait() {
        let (hole, ok) = (BlackHole::new(), TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n"));
        let targets = [hole.address, hole.address, ok.address];
        let targets = targets.map(|address| target("http:/,interval=10ms,timeout=300ms", address));
        let sources = owned(&targets);
        let _checker = HealthChecker::start(1, move || sources.clone()).unwrap();
        for (index, expected) in [false, false, true].into_iter().enumerate() {
            assert_eq!(targets[index].1.recv_timeout(LONG).unwrap().0, expected, "backend {index}");
        }
    }

    #[test]
    fn a_removed_target_is_cancelled_in_flight() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let (removed, results_rx) = target("http:/,interval=10ms,timeout=1h", silent.local_addr().unwrap());
        let targets = Arc::new(Mutex::new(vec![removed]));
        let source = Arc::clone(&targets);
        let _checker = HealthChecker::start(MAX_IN_FLIGHT, move || source.lock().unwrap().clone()).unwrap();
        let (mut connection, _) = silent.accept().unwrap();
        targets.lock().unwrap().clear();
        connection.set_read_timeout(Some(LONG)).unwrap();
        connection.read_to_end(&mut Vec::new()).expect("the check closes its connection");
        assert_eq!(results_rx.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected), "without a result");
    }

    #[test]
    fn a_check_whose_target_panics_runs_again() {
        /// Panics in the first call of each method.
        #[derive(Debug)]
        struct Fragile(AtomicUsize, AtomicBool, Sender<bool>);
        impl HealthTarget for Fragile {
            fn check_config(&self) -> Option<Arc<CheckConfig>> {
                Some(Arc::new("tcp,interval=10ms".parse().unwrap()))
            }
            fn addresses(&self) -> Addresses {
                if self.0.fetch_add(1, SeqCst) == 0 {
                    std::panic::resume_unwind(Box::new("on purpose"));
                }
                Addresses::new()
            }
            fn host_header(&self) -> String {
                "fragile".into()
            }
            fn on_check_result(&self, outcome: Result<(), String>, _: Option<HealthTransition>, _: Instant) {
                if !self.1.swap(true, SeqCst) {
                    std::panic::resume_unwind(Box::new("on purpose"));
                }
                let _ = self.2.send(outcome.is_ok());
            }
        }
        let (results_tx, results_rx) = channel();
        let fragile = Arc::new(Fragile(AtomicUsize::new(0), AtomicBool::new(false), results_tx));
        let seen = Arc::clone(&fragile);
        let _checker = HealthChecker::start(MAX_IN_FLIGHT, move || vec![Arc::clone(&fragile)]).unwrap();
        assert_eq!(results_rx.recv_timeout(LONG), Ok(false), "it has no address");
        assert!(seen.0.load(SeqCst) >= 3);
    }
}
