//! Exercise 3.5: who is there? (an evening)
//!
//! **Contract.** [`health`] returns a [`Health`], which has two independent parts:
//!
//! - A [`Counter`] interprets the results. A backend that is up goes down after `fall` failures *in a row*, one that is
//!   down comes up after `rise` successes in a row. It is up at first. A change is reported once.
//! - A [`Watch`] runs the checks. It connects to each backend, at once and then every `interval`, with `timeout` for a
//!   connect. Changes that the counter reports are written to the backend's `up`. A backend that drops all packets does
//!   not delay the checks of others. `stop` returns within one `timeout`, and then no thread is left.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};

use crate::contracts::{Change, Counter, Health, Settings, Watch, Watched};

/// Health checks by connect.
#[derive(Debug)]
pub struct ByConnect {
    settings: Settings,
}

/// Failures and successes of one backend.
#[derive(Debug)]
pub struct Count {
    settings: Settings,
    failures: u32,
    successes: u32,
}

/// The thread that checks.
#[derive(Debug)]
pub struct Checks {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// Health checks with these settings.
pub fn health(settings: Settings) -> ByConnect {
    ByConnect { settings }
}

impl Health for ByConnect {
    type Counter = Count;
    type Watch = Checks;

    fn counter(&self) -> Count {
        Count { settings: self.settings, failures: 0, successes: 0 }
    }

    fn watch(&self, backends: Vec<Watched>) -> io::Result<Checks> {
        let targets = backends.into_iter().map(|backend| (backend, self.counter())).collect();
        let settings = self.settings;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().spawn(move || check_all(targets, settings, &stopped))?;
        Ok(Checks { stop, thread })
    }
}

impl Counter for Count {
    fn observe(&mut self, ok: bool) -> Option<Change> {
        if ok {
            self.successes += 1;
            (self.successes == self.settings.rise).then_some(Change::Up)
        } else {
            self.failures += 1;
            (self.failures == self.settings.fall).then_some(Change::Down)
        }
    }
}

impl Watch for Checks {
    fn stop(self) {
        drop(self.stop);
        // An error means that the checker has panicked, so it has ended, too.
        let _ = self.thread.join();
    }
}

/// Checks one backend after the other, until the sender of `stopped` is dropped.
fn check_all(mut targets: Vec<(Watched, Count)>, settings: Settings, stopped: &Receiver<()>) {
    loop {
        for (backend, counter) in &mut targets {
            let ok = TcpStream::connect_timeout(&backend.address, settings.timeout).is_ok();
            if let Some(change) = counter.observe(ok) {
                backend.up.store(change == Change::Up, Relaxed);
            }
        }
        if stopped.recv_timeout(settings.interval) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
