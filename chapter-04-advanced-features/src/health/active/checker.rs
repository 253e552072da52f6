//! The threads of the health checks: a scheduler, and one thread per running check.
//!
//! A check blocks in the kernel, for as long as its timeout if the backend is a black hole. So each has a thread of
//! its own, and neither traffic nor another backend's check waits for it. A check every two seconds is worth the 50 µs
//! that a thread costs; chapters 5 and 6 keep these threads, because health checks must not depend on the event loop
//! they share a process with. The invariant: one check at a time per backend, so a
//! [`CheckState`](super::state::CheckState) gets its results in order and needs no lock.

use std::{
    io,
    sync::{
        Arc, PoisonError,
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
};

use common::shutdown::Shutdown;

use super::{
    config::CheckConfig,
    scheduler::{CheckScheduler, SchedulerMessage, UrgentTargets},
    target::HealthTarget,
};

/// Checks backends until it is dropped, which cancels all checks and joins their threads. Do not drop it under a lock
/// that [`HealthTarget::on_check_result`] takes.
#[derive(Debug)]
pub struct HealthChecker<T> {
    messages: Sender<SchedulerMessage>,
    urgent: UrgentTargets<T>,
    shutdown: Shutdown,
    scheduler_thread: Option<JoinHandle<()>>,
}

impl<T: HealthTarget> HealthChecker<T> {
    /// Starts to check the backends that `targets` returns. It is called every `fast_interval`: a new backend is
    /// checked soon, a removed one no more. `targets` lives as long as the checker, so it must not own the checker.
    ///
    /// # Errors
    /// No file descriptor or thread is available.
    pub fn start(check: CheckConfig, targets: impl Fn() -> Vec<Arc<T>> + Send + 'static) -> io::Result<Self> {
        let (messages, receiver) = channel();
        let urgent = UrgentTargets::default();
        let shutdown = Shutdown::new()?;
        let mut scheduler = CheckScheduler::new(check, messages.clone(), Arc::clone(&urgent), shutdown.clone());
        let run = move || scheduler.run(&targets, &receiver);
        let scheduler_thread = Some(thread::Builder::new().name("health".into()).spawn(run)?);
        Ok(Self { messages, urgent, shutdown, scheduler_thread })
    }

    /// A live connect to `target` has failed: checks it soon, not in two seconds.
    pub fn check_now(&self, target: &Arc<T>) {
        let mut urgent = self.urgent.lock().unwrap_or_else(PoisonError::into_inner);
        if !urgent.iter().any(|known| Arc::ptr_eq(known, target)) {
            urgent.push(Arc::clone(target));
            let _ = self.messages.send(SchedulerMessage::Wake);
        }
    }
}

impl<T> Drop for HealthChecker<T> {
    fn drop(&mut self) {
        self.shutdown.stop();
        let _ = self.messages.send(SchedulerMessage::Wake);
        // The last owner may be a target, dropped on the scheduler thread itself, which cannot join itself.
        let is_other_thread = |thread: &JoinHandle<()>| thread.thread().id() != thread::current().id();
        if let Some(scheduler) = self.scheduler_thread.take().filter(is_other_thread) {
            let _ = scheduler.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::SocketAddr,
        sync::{
            Mutex,
            atomic::{AtomicBool, Ordering::SeqCst},
            mpsc::{Receiver, RecvTimeoutError},
        },
        time::{Duration, Instant},
    };

    use common::clock::now;

    use super::*;
    use crate::health::active::health_status::HealthTransition;
    use crate::health::active::test_backend::{BlackHole, RefusingPort, TestBackend};

    const LONG: Duration = Duration::from_secs(20);

    /// A target that sends its check results to a channel, which disconnects when the target is dropped.
    #[derive(Debug)]
    struct RecordingTarget {
        address: SocketAddr,
        results_tx: Sender<(bool, Option<HealthTransition>)>,
    }

    impl HealthTarget for RecordingTarget {
        fn addresses(&self) -> Vec<SocketAddr> {
            vec![self.address]
        }
        fn host_header(&self) -> String {
            self.address.to_string()
        }
        fn on_check_result(&self, outcome: Result<(), String>, transition: Option<HealthTransition>, _: Instant) {
            let _ = self.results_tx.send((outcome.is_ok(), transition));
        }
    }

    fn target(address: SocketAddr) -> (Arc<RecordingTarget>, Receiver<(bool, Option<HealthTransition>)>) {
        let (results_tx, results_rx) = channel();
        (Arc::new(RecordingTarget { address, results_tx }), results_rx)
    }

    /// Checks these targets at a short interval, so that the tests are fast.
    fn start(options: &str, targets: Vec<Arc<RecordingTarget>>) -> HealthChecker<RecordingTarget> {
        let check = format!("http:/health,interval=10ms,{options}").parse().unwrap();
        HealthChecker::start(check, move || targets.clone()).unwrap()
    }

    #[test]
    fn black_hole_delays_no_other_check_and_ends_with_the_checker() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let (hole, dead) = (BlackHole::new(), RefusingPort::new());
        let targets = [hole.address, dead.address, ok.address].map(target);
        let checker = start("timeout=1h", targets.iter().map(|(target, _)| Arc::clone(target)).collect());
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
        let (target_a, results_rx) = target(backend.address);
        let _checker = start("fall=3,rise=2", vec![target_a]);
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
        let check: CheckConfig = "http:/health,interval=10ms".parse().unwrap();
        let _checker = HealthChecker::start(check, move || source.lock().unwrap().clone()).unwrap();
        let (first, first_rx) = target(ok.address);
        targets.lock().unwrap().push(first);
        assert_eq!(first_rx.recv_timeout(LONG), Ok((true, None)));
        let (second, second_rx) = target(ok.address);
        *targets.lock().unwrap() = vec![second];
        assert_eq!(second_rx.recv_timeout(LONG), Ok((true, None)));
        // The first target has no owner any more, so its channel disconnects.
        let last = std::iter::from_fn(|| Some(first_rx.recv_timeout(LONG))).find_map(Result::err);
        assert_eq!(last, Some(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn check_now_does_not_wait_for_the_interval() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let (target_a, results_rx) = target(ok.address);
        let sources = vec![Arc::clone(&target_a)];
        let check = "http:/health,interval=1h,fast=1ms".parse().unwrap();
        let checker = HealthChecker::start(check, move || sources.clone()).unwrap();
        for _ in 0..3 {
            assert_eq!(results_rx.recv_timeout(LONG), Ok((true, None)));
            for _ in 0..100 {
                checker.check_now(&target_a);
            }
        }
    }

    #[test]
    fn a_check_that_panics_runs_again() {
        #[derive(Debug)]
        struct Fragile(AtomicBool, Sender<bool>);
        impl HealthTarget for Fragile {
            fn addresses(&self) -> Vec<SocketAddr> {
                if !self.0.swap(true, SeqCst) {
                    std::panic::resume_unwind(Box::new("on purpose"));
                }
                Vec::new()
            }
            fn host_header(&self) -> String {
                "fragile".into()
            }
            fn on_check_result(&self, outcome: Result<(), String>, _: Option<HealthTransition>, _: Instant) {
                let _ = self.1.send(outcome.is_ok());
            }
        }
        let (results_tx, results_rx) = channel();
        let fragile = Arc::new(Fragile(AtomicBool::new(false), results_tx));
        let check = "tcp,interval=10ms".parse().unwrap();
        let _checker = HealthChecker::start(check, move || vec![Arc::clone(&fragile)]).unwrap();
        assert_eq!(results_rx.recv_timeout(LONG), Ok(false), "it has no address");
    }
}
