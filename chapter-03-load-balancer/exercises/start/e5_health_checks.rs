//! Exercise 3.5: active health checks (an evening).
//!
//! **Contract.** [`health_checker`] returns a [`HealthChecker`], which has two independent parts:
//!
//! - A [`CheckState`] counts the results. A backend that is up is marked down after `fall` failures *in a row*, one
//!   that is down is marked up after `rise` successes in a row. It is up at first. A change is reported once.
//! - [`RunningChecks`] are the checks in progress. Each backend gets a connect at once and then every `interval`, with
//!   `timeout` for a connect. Changes that the check state reports are written to the backend's `up`. A backend that
//!   drops all packets does not delay the checks of others. `stop` returns within one `timeout`, and then no thread is
//!   left.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};

use crate::contracts::{CheckSettings, CheckState, HealthChecker, HealthTarget, RunningChecks, StatusChange};

/// Health checks by TCP connect.
#[derive(Debug)]
pub struct ConnectChecker {
    settings: CheckSettings,
}

/// Failures and successes of one backend.
#[derive(Debug)]
pub struct RiseFall {
    settings: CheckSettings,
    failures: u32,
    successes: u32,
}

/// The thread that checks.
#[derive(Debug)]
pub struct CheckThreads {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// A health checker with these settings.
pub fn health_checker(settings: CheckSettings) -> ConnectChecker {
    ConnectChecker { settings }
}

impl HealthChecker for ConnectChecker {
    type State = RiseFall;
    type Running = CheckThreads;

    fn check_state(&self) -> RiseFall {
        RiseFall { settings: self.settings, failures: 0, successes: 0 }
    }

    fn start(&self, backends: Vec<HealthTarget>) -> io::Result<CheckThreads> {
        let targets = backends.into_iter().map(|backend| (backend, self.check_state())).collect();
        let settings = self.settings;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().spawn(move || check_all(targets, settings, &stopped))?;
        Ok(CheckThreads { stop, thread })
    }
}

impl CheckState for RiseFall {
    fn observe(&mut self, ok: bool) -> Option<StatusChange> {
        if ok {
            self.successes += 1;
            (self.successes == self.settings.rise).then_some(StatusChange::Up)
        } else {
            self.failures += 1;
            (self.failures == self.settings.fall).then_some(StatusChange::Down)
        }
    }
}

impl RunningChecks for CheckThreads {
    fn stop(self) {
        drop(self.stop);
        // An error means that the checker has panicked, so it has ended, too.
        let _ = self.thread.join();
    }
}

/// Checks one backend after the other, until the sender of `stopped` is dropped.
fn check_all(mut targets: Vec<(HealthTarget, RiseFall)>, settings: CheckSettings, stopped: &Receiver<()>) {
    loop {
        for (backend, state) in &mut targets {
            let ok = TcpStream::connect_timeout(&backend.address, settings.timeout).is_ok();
            if let Some(change) = state.observe(ok) {
                backend.up.store(change == StatusChange::Up, Relaxed);
            }
        }
        if stopped.recv_timeout(settings.interval) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
