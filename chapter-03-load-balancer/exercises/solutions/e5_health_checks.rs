//! Exercise 3.5, solved.
//!
//! The check state is up or down, and one number: how many results in a row contradict that. A result that agrees
//! resets the number to 0, which is all that "in a row" needs. Each backend has its own thread, so a slow one cannot
//! delay the others. Each thread waits in `recv_timeout` on the receiver of a channel: dropping the sender wakes it at
//! once, which a flag could not do.

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

/// The check state of one backend, with HAProxy's thresholds.
#[derive(Debug)]
pub struct RiseFall {
    fall: u32,
    rise: u32,
    is_up: bool,
    /// Results in a row that contradict `is_up`.
    contrary_results: u32,
}

/// One thread for each backend; dropping a sender ends its thread.
#[derive(Debug)]
pub struct CheckThreads {
    threads: Vec<(Sender<()>, JoinHandle<()>)>,
}

/// A health checker with these settings.
pub fn health_checker(settings: CheckSettings) -> ConnectChecker {
    ConnectChecker { settings }
}

impl HealthChecker for ConnectChecker {
    type State = RiseFall;
    type Running = CheckThreads;

    fn check_state(&self) -> RiseFall {
        RiseFall { fall: self.settings.fall, rise: self.settings.rise, is_up: true, contrary_results: 0 }
    }

    fn start(&self, backends: Vec<HealthTarget>) -> io::Result<CheckThreads> {
        let start = |backend| {
            let (state, settings) = (self.check_state(), self.settings);
            let (stop, stopped) = mpsc::channel();
            let checks = move || check(&backend, state, settings, &stopped);
            Ok((stop, thread::Builder::new().name("health".to_owned()).spawn(checks)?))
        };
        // If a thread cannot be spawned, the senders of the others are dropped here, which ends them.
        let threads = backends.into_iter().map(start).collect::<io::Result<_>>()?;
        Ok(CheckThreads { threads })
    }
}

impl CheckState for RiseFall {
    fn observe(&mut self, ok: bool) -> Option<StatusChange> {
        if ok == self.is_up {
            self.contrary_results = 0;
            return None;
        }
        self.contrary_results += 1;
        let (threshold, change) = if ok { (self.rise, StatusChange::Up) } else { (self.fall, StatusChange::Down) };
        if self.contrary_results < threshold {
            return None;
        }
        self.is_up = ok;
        self.contrary_results = 0;
        Some(change)
    }
}

impl RunningChecks for CheckThreads {
    fn stop(self) {
        // Stop all threads before waiting for any: their connect timeouts run in parallel.
        let (stops, threads): (Vec<_>, Vec<_>) = self.threads.into_iter().unzip();
        drop(stops);
        for thread in threads {
            // An error means that the checker has panicked, so it has ended, too.
            let _ = thread.join();
        }
    }
}

/// Checks one backend until the sender of `stopped` is dropped.
fn check(backend: &HealthTarget, mut state: RiseFall, settings: CheckSettings, stopped: &Receiver<()>) {
    loop {
        let ok = TcpStream::connect_timeout(&backend.address, settings.timeout).is_ok();
        if let Some(change) = state.observe(ok) {
            backend.up.store(change == StatusChange::Up, Relaxed);
        }
        if stopped.recv_timeout(settings.interval) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
