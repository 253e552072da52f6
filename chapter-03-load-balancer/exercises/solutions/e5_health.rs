//! Exercise 3.5, solved.
//!
//! The counter is a state and one number: how often in a row the opposite of the state was seen. A result that agrees
//! with the state makes it 0, which is all there is to "in a row". Each backend has a thread of its own, so there is
//! nothing that a slow one could delay. All of them sleep in `recv_timeout` on one end of a channel: dropping the other
//! end wakes them, as no flag would.

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
    /// Results in a row that speak against `is_up`.
    against: u32,
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
        Count { fall: self.settings.fall, rise: self.settings.rise, is_up: true, against: 0 }
    }

    fn watch(&self, backends: Vec<Watched>) -> io::Result<Checks> {
        let start = |backend| {
            let (counter, settings) = (self.counter(), self.settings);
            let (stop, stopped) = mpsc::channel();
            let checks = move || check(&backend, counter, settings, &stopped);
            Ok((stop, thread::Builder::new().name("health".to_owned()).spawn(checks)?))
        };
        // If one does not start, those that did are dropped here, which ends them.
        let threads = backends.into_iter().map(start).collect::<io::Result<_>>()?;
        Ok(Checks { threads })
    }
}

impl Counter for Count {
    fn observe(&mut self, ok: bool) -> Option<Change> {
        if ok == self.is_up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let (enough, change) = if ok { (self.rise, Change::Up) } else { (self.fall, Change::Down) };
        if self.against < enough {
            return None;
        }
        self.is_up = ok;
        self.against = 0;
        Some(change)
    }
}

impl Watch for Checks {
    fn stop(self) {
        // First tell all, then wait: several timeouts under way at once are over after one.
        let (stops, threads): (Vec<_>, Vec<_>) = self.threads.into_iter().unzip();
        drop(stops);
        for thread in threads {
            // A checker that has panicked is over, too.
            let _ = thread.join();
        }
    }
}

/// Checks one backend until nobody holds the other end of `stopped`.
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
