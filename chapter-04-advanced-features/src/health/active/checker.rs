//! The threads that check: one that keeps the time, and one for each check under way.
//!
//! A check sleeps in the kernel, for as long as its timeout if the backend is a black hole. So each has a thread of
//! its own, and neither traffic nor another backend's check waits for it. A check every two seconds is worth the 50 µs
//! that a thread costs; chapters 5 and 6 keep these threads, because whoever judges an event loop should not be part
//! of it. The invariant: one check at a time per backend, so a watch sees its results in order and needs no lock.

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

/// Checks backends until it is dropped, which ends all checks at once and waits for their threads. Not to be dropped
/// under a lock that [`Checked::checked`] takes.
#[derive(Debug)]
pub struct HealthChecker<T> {
    messages: Sender<SchedulerMessage>,
    urgent: UrgentTargets<T>,
    shutdown: Shutdown,
    scheduler_thread: Option<JoinHandle<()>>,
}

impl<T: HealthTarget> HealthChecker<T> {
    /// Starts to check whatever `targets` gives. It is asked each `fast_interval`: a backend that is new is checked
    /// soon, one that is gone no more. What it owns lives as long as the checker, so it must not own the checker.
    ///
    /// # Errors
    /// When this process can have no more descriptors or threads.
    pub fn start(check: CheckConfig, targets: impl Fn() -> Vec<Arc<T>> + Send + 'static) -> io::Result<Self> {
        let (messages, inbox) = channel();
        let urgent = UrgentTargets::default();
        let shutdown = Shutdown::new()?;
        let mut scheduler = CheckScheduler::new(check, messages.clone(), Arc::clone(&urgent), shutdown.clone());
        let run = move || scheduler.run(&targets, &inbox);
        let scheduler_thread = Some(thread::Builder::new().name("health".into()).spawn(run)?);
        Ok(Self { messages, urgent, shutdown, scheduler_thread })
    }

    /// A live connect to `target` has failed: it is to be checked soon, not in two seconds.
    pub fn check_now(&self, target: &Arc<T>) {
        let mut hurried = self.urgent.lock().unwrap_or_else(PoisonError::into_inner);
        if !hurried.iter().any(|known| Arc::ptr_eq(known, target)) {
            hurried.push(Arc::clone(target));
            let _ = self.messages.send(SchedulerMessage::Wake);
        }
    }
}

impl<T> Drop for HealthChecker<T> {
    fn drop(&mut self) {
        self.shutdown.stop();
        let _ = self.messages.send(SchedulerMessage::Wake);
        // The last owner may be a target, dropped by the timekeeper itself.
        let is_another = |thread: &JoinHandle<()>| thread.thread().id() != thread::current().id();
        if let Some(timekeeper) = self.scheduler_thread.take().filter(is_another) {
            let _ = timekeeper.join();
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
    use crate::health::active::state::HealthTransition;
    use crate::health::active::test_backend::{BlackHole, RefusingPort, TestBackend};

    const LONG: Duration = Duration::from_secs(20);

    /// A target that tells a channel what it learns; the channel hangs up when the target is gone.
    #[derive(Debug)]
    struct Told {
        address: SocketAddr,
        learned: Sender<(bool, Option<HealthTransition>)>,
    }

    impl HealthTarget for Told {
        fn addresses(&self) -> Vec<SocketAddr> {
            vec![self.address]
        }
        fn host_header(&self) -> String {
            self.address.to_string()
        }
        fn on_check_result(&self, outcome: Result<(), String>, change: Option<HealthTransition>, _: Instant) {
            let _ = self.learned.send((outcome.is_ok(), change));
        }
    }

    fn target(address: SocketAddr) -> (Arc<Told>, Receiver<(bool, Option<HealthTransition>)>) {
        let (learned, learn) = channel();
        (Arc::new(Told { address, learned }), learn)
    }

    /// Checks these, so often that no test has to wait.
    fn start(options: &str, targets: Vec<Arc<Told>>) -> HealthChecker<Told> {
        let check = format!("http:/health,interval=10ms,{options}").parse().unwrap();
        HealthChecker::start(check, move || targets.clone()).unwrap()
    }

    #[test]
    fn a_black_hole_delays_nobody_and_its_check_ends_with_the_checker() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let (hole, dead) = (BlackHole::new(), RefusingPort::new());
        let targets = [hole.address, dead.address, ok.address].map(target);
        let checker = start("timeout=1h", targets.iter().map(|(target, _)| Arc::clone(target)).collect());
        let next = |index: usize| targets[index].1.recv_timeout(LONG).expect("nobody waits for the black hole");
        assert_eq!(next(1), (false, Some(HealthTransition::Down)), "a new one is judged by its first check");
        for _ in 0..10 {
            assert_eq!(next(1), (false, None));
            assert_eq!(next(2), (true, None));
        }
        let began = now();
        drop(checker);
        assert!(now() - began < LONG, "it did not wait for the hour");
        assert!(targets[0].1.try_recv().is_err(), "it is not blamed for the end");
    }

    #[test]
    fn three_failures_take_it_down_and_two_successes_bring_it_back() {
        let is_ok = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&is_ok);
        let backend = TestBackend::with_handler(move |mut stream, _| {
            let status = if seen.load(SeqCst) { "200 OK" } else { "500 Internal Server Error" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\n\r\n");
        });
        let (watched, learn) = target(backend.address);
        let _checker = start("fall=3,rise=2", vec![watched]);
        let until_change = |ok: bool| {
            let mut results = 0;
            loop {
                let (was_ok, change) = learn.recv_timeout(LONG).unwrap();
                results += u32::from(was_ok == ok);
                if let Some(change) = change {
                    return (change, results);
                }
            }
        };
        assert_eq!(learn.recv_timeout(LONG), Ok((true, None)));
        is_ok.store(false, SeqCst);
        assert_eq!(until_change(false), (HealthTransition::Down, 3));
        is_ok.store(true, SeqCst);
        assert_eq!(until_change(true), (HealthTransition::Up, 2));
    }

    #[test]
    fn backends_come_and_go() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let targets = Arc::new(Mutex::new(Vec::new()));
        let source = Arc::clone(&targets);
        let check: CheckConfig = "http:/health,interval=10ms".parse().unwrap();
        let _checker = HealthChecker::start(check, move || source.lock().unwrap().clone()).unwrap();
        let (first, learn_first) = target(ok.address);
        targets.lock().unwrap().push(first);
        assert_eq!(learn_first.recv_timeout(LONG), Ok((true, None)));
        let (second, learn_second) = target(ok.address);
        *targets.lock().unwrap() = vec![second];
        assert_eq!(learn_second.recv_timeout(LONG), Ok((true, None)));
        // Nobody holds the first one any more, so its channel hangs up.
        let last = std::iter::from_fn(|| Some(learn_first.recv_timeout(LONG))).find_map(Result::err);
        assert_eq!(last, Some(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_hurry_does_not_wait_for_the_interval() {
        let ok = TestBackend::with_response("HTTP/1.1 200 OK\r\n\r\n");
        let (watched, learn) = target(ok.address);
        let sources = vec![Arc::clone(&watched)];
        let check = "http:/health,interval=1h,fast=1ms".parse().unwrap();
        let checker = HealthChecker::start(check, move || sources.clone()).unwrap();
        for _ in 0..3 {
            assert_eq!(learn.recv_timeout(LONG), Ok((true, None)));
            for _ in 0..100 {
                checker.check_now(&watched);
            }
        }
    }

    #[test]
    fn a_check_that_panics_is_made_again() {
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
        let (learned, learn) = channel();
        let fragile = Arc::new(Fragile(AtomicBool::new(false), learned));
        let check = "tcp,interval=10ms".parse().unwrap();
        let _checker = HealthChecker::start(check, move || vec![Arc::clone(&fragile)]).unwrap();
        assert_eq!(learn.recv_timeout(LONG), Ok(false), "it has no address");
    }
}
