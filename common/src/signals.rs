//! Which signal asks for what.
//!
//! | signal | effect |
//! |---|---|
//! | SIGINT, SIGTERM | drain; a second one: stop at once; a third: end by the signal, whatever the program does |
//! | SIGUSR1 | print the statistics |
//! | others | nothing, unless [`Handlers::on`] adds them (chapter 10: SIGHUP and SIGUSR2) |
//!
//! A signal handler proper may do next to nothing (signal-safety(7)), so `signal-hook` only writes
//! a byte there, and what follows happens on an ordinary thread, where it may lock, allocate and
//! print.

use std::fmt;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

pub use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::shutdown::{Shutdown, ShutdownStage};

/// Handles SIGINT, SIGTERM and SIGUSR1 from now on: the signals that all programs of this workspace
/// share.
///
/// They are handled from the moment this returns. `on_stats` runs on a thread of its own, so it may
/// lock and print, and even wait for a reader of stdout who has gone to lunch.
pub fn spawn(shutdown: Shutdown, print_statistics: impl Fn() + Send + 'static) -> io::Result<()> {
    SignalHandlers::new(shutdown).on(SIGUSR1, print_statistics).spawn()
}

/// A set of signals with what each of them does, for a program with more of them than [`spawn`]
/// takes.
#[must_use = "handlers are in force only once spawned"]
pub struct SignalHandlers {
    shutdown: Shutdown,
    actions: Vec<(i32, Box<dyn Fn() + Send>)>,
}

impl SignalHandlers {
    /// SIGINT and SIGTERM for this shutdown, and nothing else yet.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, actions: Vec::new() }
    }

    /// Also runs `action`, on a thread of its own, whenever `signal` has arrived: an action that waits
    /// must not make the program deaf to SIGTERM.
    ///
    /// Signals of one number that arrive while their action is busy count as one, as they do in the
    /// kernel.
    pub fn on(mut self, signal: i32, action: impl Fn() + Send + 'static) -> Self {
        self.actions.push((signal, Box::new(action)));
        self
    }

    /// Registers the handlers and starts the signal thread, which lives as long as the process.
    pub fn spawn(self) -> io::Result<()> {
        let numbers = self.actions.iter().map(|(signal, _)| *signal);
        // Before the thread starts: a signal that comes right after our return must not meet the
        // default action.
        let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(numbers))?;
        let actions: Vec<_> = self.actions.into_iter().map(spawn_action_thread).collect::<io::Result<_>>()?;
        let shutdown = self.shutdown;
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGINT || signal == SIGTERM {
                    advance_shutdown(&shutdown, signal);
                }
                for (_, trigger_tx) in actions.iter().filter(|(number, _)| *number == signal) {
                    // Full: the action will run once more anyway.
                    let _ = trigger_tx.try_send(());
                }
            }
        })?;
        Ok(())
    }
}

fn advance_shutdown(shutdown: &Shutdown, signal: i32) {
    match shutdown.stage() {
        ShutdownStage::Running => shutdown.drain(),
        ShutdownStage::Draining => shutdown.stop(),
        // The program was told twice and is still here: do not make its user look up its process id.
        ShutdownStage::Stopping => drop(emulate_default_handler(signal)),
    }
}

fn spawn_action_thread((signal, action): (i32, Box<dyn Fn() + Send>)) -> io::Result<(i32, SyncSender<()>)> {
    let (trigger_tx, trigger_rx) = sync_channel(1);
    thread::Builder::new().name(format!("signal {signal}")).spawn(move || trigger_rx.iter().for_each(|()| action()))?;
    Ok((signal, trigger_tx))
}

impl fmt::Debug for SignalHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals: Vec<_> = self.actions.iter().map(|(signal, _)| signal).collect();
        f.debug_struct("Handlers").field("signals", &signals).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use signal_hook::low_level::raise;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    // One test for all signals: they belong to the process, so that two tests would receive each
    // other's.
    #[test]
    fn signals_print_statistics_then_drain_then_stop() {
        let shutdown = Shutdown::new().unwrap();
        let (stats, trigger_tx) = mpsc::channel();
        let (reader, gone_to_lunch) = mpsc::channel::<()>();
        let print = move || {
            stats.send(()).unwrap();
            let _ = gone_to_lunch.recv();
        };
        spawn(shutdown.clone(), print).unwrap();
        raise(SIGUSR1).unwrap();
        trigger_tx.recv_timeout(LONG).unwrap();
        assert_eq!(shutdown.stage(), ShutdownStage::Running);
        raise(SIGTERM).unwrap();
        assert!(shutdown.wait_timeout(ShutdownStage::Draining, LONG));
        assert_eq!(shutdown.stage(), ShutdownStage::Draining);
        raise(SIGINT).unwrap();
        assert!(shutdown.wait_timeout(ShutdownStage::Stopping, LONG));
        drop(reader);
    }
}
