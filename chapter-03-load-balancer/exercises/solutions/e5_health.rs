//! Exercise 3.5, solved.
//!
//! The counter is a state and one number: how many results in a row contradict the state. A result that agrees with the
//! state resets it to 0, which is all that "in a row" needs. Each backend has its own thread, so a slow one cannot
//! delay the others. All threads wait in `recv_timeout` on one end of a channel: dropping the other end wakes them at
//! once, which a flag could not do.

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

/// The state of one backend.
#[derive(Debug)]
pub struct Count {
    fall: u32,
    rise: u32,
    is_up: bool,
    /// Results in a row that contradict `is_up`.
    contradictions: u32,
}

/// One thread for each backend; dropping a sender ends its thread.
#[derive(Debug)]
pub struct Checks {
    threads: Vec<(Sender<()>, JoinHandle<()>)>,
}

/// Health checks with these settings.
pub fn health(settings: Settings) -> ByConnect {
    ByConnect { settings }
}

impl Health for ByConnect {
    type Counter = Count;
    type Watch = Checks;

    fn counter(&self) -> Count {
        Count { fall: self.settings.fall, rise: self.settings.rise, is_up: true, contradictions: 0 }
    }

    fn watch(&self, backends: Vec<Watched>) -> io::Result<Checks> {
        let start = |backend| {
            let (counter, settings) = (self.counter(), self.settings);
            let (stop, stopped) = mpsc::channel();
            let checks = move || check(&backend, counter, settings, &stopped);
            Ok((stop, thread::Builder::new().name("health".to_owned()).spawn(checks)?))
        };
        // If a thread cannot be spawned, the senders of the others are dropped here, which ends them.
        let threads = backends.into_iter().map(start).collect::<io::Result<_>>()?;
        Ok(Checks { threads })
    }
}

impl Counter for Count {
    fn observe(&mut self, ok: bool) -> Option<Change> {
        if ok == self.is_up {
            self.contradictions = 0;
            return None;
        }
        self.contradictions += 1;
        let (threshold, change) = if ok { (self.rise, Change::Up) } else { (self.fall, Change::Down) };
        if self.contradictions < threshold {
            return None;
        }
        self.is_up = ok;
        self.contradictions = 0;
        Some(change)
    }
}

impl Watch for Checks {
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
fn check(backend: &Watched, mut counter: Count, settings: Settings, stopped: &Receiver<()>) {
    loop {
        let ok = TcpStream::connect_timeout(&backend.address, settings.timeout).is_ok();
        if let Some(change) = counter.observe(ok) {
            backend.up.store(change == Change::Up, Relaxed);
        }
        if stopped.recv_timeout(settings.interval) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
