//! Which signal does what.
//!
//! | signal | effect |
//! |---|---|
//! | SIGINT, SIGTERM | drain; the second: stop at once; the third: the default action, which ends the process |
//! | SIGUSR1 | print the statistics |
//! | others | not handled, unless [`SignalHandlers::on`] adds them (chapter 10: SIGHUP and SIGUSR2) |
//!
//! Very little is safe inside a signal handler (signal-safety(7)), so `signal-hook` only writes a byte there. The
//! action runs on an ordinary thread, where it may lock, allocate and print.

use std::fmt;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

pub use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::shutdown::{Shutdown, ShutdownStage};

/// Handles SIGINT, SIGTERM and SIGUSR1, the signals that all programs of this workspace share.
///
/// The handlers are installed when this returns. `print_statistics` runs on its own thread, so it may lock, print, and
/// block on a full stdout pipe.
pub fn spawn(shutdown: Shutdown, print_statistics: impl Fn() + Send + 'static) -> io::Result<()> {
    SignalHandlers::new(shutdown).on(SIGUSR1, print_statistics).spawn()
}

/// A set of signals and their actions, for a program that handles more of them than [`spawn`] does.
#[must_use = "the handlers are installed by `spawn`"]
pub struct SignalHandlers {
    shutdown: Shutdown,
    actions: Vec<(i32, Box<dyn Fn() + Send>)>,
}

impl SignalHandlers {
    /// Handlers for SIGINT and SIGTERM that advance `shutdown`, and no others yet.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, actions: Vec::new() }
    }

    /// Also runs `action`, on its own thread, whenever `signal` arrives: an action that blocks must not delay SIGTERM.
    ///
    /// A signal that arrives several times while its action runs counts once, as it does in the kernel.
    pub fn on(mut self, signal: i32, action: impl Fn() + Send + 'static) -> Self {
        self.actions.push((signal, Box::new(action)));
        self
    }

    /// Installs the handlers and starts the signal thread, which lives as long as the process.
    pub fn spawn(self) -> io::Result<()> {
        let numbers = self.actions.iter().map(|(signal, _)| *signal);
        // Before the thread starts: a signal that arrives right after this function returns must not meet the default
        // action.
        let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(numbers))?;
        let actions: Vec<_> = self.actions.into_iter().map(spawn_action_thread).collect::<io::Result<_>>()?;
        let shutdown = self.shutdown;
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGINT || signal == SIGTERM {
                    advance_shutdown(&shutdown, signal);
                }
                for (_, trigger_tx) in actions.iter().filter(|(number, _)| *number == signal) {
                    // Full: the action is already due to run again.
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
        // The program was asked twice and still runs: the user should not have to look up its process id.
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
        f.debug_struct("SignalHandlers").field("signals", &signals).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use signal_hook::low_level::raise;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    // One test for all signals: they belong to the process, so two tests would receive each other's signals.
    #[test]
    fn signals_print_statistics_then_drain_then_stop() {
        let shutdown = Shutdown::new().unwrap();
        let (printed_tx, printed_rx) = mpsc::channel();
        let (reader, blocked_stdout) = mpsc::channel::<()>();
        let print = move || {
            printed_tx.send(()).unwrap();
            let _ = blocked_stdout.recv();
        };
        spawn(shutdown.clone(), print).unwrap();
        raise(SIGUSR1).unwrap();
        printed_rx.recv_timeout(LONG).unwrap();
        assert_eq!(shutdown.stage(), ShutdownStage::Running);
        raise(SIGTERM).unwrap();
        assert!(shutdown.wait_timeout(ShutdownStage::Draining, LONG));
        assert_eq!(shutdown.stage(), ShutdownStage::Draining);
        raise(SIGINT).unwrap();
        assert!(shutdown.wait_timeout(ShutdownStage::Stopping, LONG));
        drop(reader);
    }
}
