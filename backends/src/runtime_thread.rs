//! A server's own thread and runtime.
//!
//! In-process backends must not disturb the program that runs them: they use none of its workers, and no signal is ever
//! delivered to their thread, so the program's own handling sees each one.

use std::future::Future;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::{io, thread};

use nix::sys::signal::{SigSet, SigmaskHow};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A thread that runs one future on a current-thread runtime until this value is dropped.
#[derive(Debug)]
pub(crate) struct RuntimeThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RuntimeThread {
    /// Starts the thread. `prepare` runs there, inside the runtime, before this returns; its error is returned.
    pub(crate) fn spawn<P, F>(name: &str, prepare: P) -> io::Result<Self>
    where
        P: FnOnce() -> io::Result<F> + Send + 'static,
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let (report, prepared) = mpsc::sync_channel(1);
        let body = move || {
            // Built here and not by the caller: a runtime must not be dropped where one is running.
            let started = Builder::new_current_thread().enable_all().build().and_then(|runtime| {
                let entered = runtime.enter();
                let work = prepare()?;
                drop(entered);
                Ok((runtime, work))
            });
            match started {
                Ok((runtime, work)) => {
                    let _ = report.send(Ok(()));
                    runtime.block_on(async {
                        tokio::select! {
                            () = work => {}
                            _ = stopped => {}
                        }
                    });
                    // Dropping the runtime ends every connection's task.
                }
                Err(error) => drop(report.send(Err(error))),
            }
        };
        // A thread inherits its signal mask: set before the spawn, it applies from the thread.s first instruction.
        let callers_mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(body);
        callers_mask.thread_set_mask()?;
        let thread = spawned?;
        prepared.recv().map_err(|_| io::Error::other("the server's thread ended during its start"))??;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for RuntimeThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed by then, and is no reason to panic here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_with_every_signal_masked_and_keeps_the_callers_mask() {
        let before = SigSet::thread_get_mask().unwrap();
        let (report, masked) = mpsc::channel();
        let thread = RuntimeThread::spawn("masked", move || {
            let _ = report.send(SigSet::thread_get_mask());
            Ok(std::future::pending())
        })
        .unwrap();
        let masked = masked.recv().unwrap().unwrap();
        for signal in [nix::sys::signal::SIGTERM, nix::sys::signal::SIGINT, nix::sys::signal::SIGUSR1] {
            assert!(masked.contains(signal), "{signal} is not masked");
        }
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
        drop(thread);
    }

    #[test]
    fn spawn_returns_the_error_of_prepare() {
        let started = RuntimeThread::spawn("fails", || Err::<std::future::Ready<()>, _>(io::Error::other("no")));
        assert_eq!(started.unwrap_err().to_string(), "no");
    }
}
