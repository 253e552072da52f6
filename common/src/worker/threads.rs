//! One thread per worker, and what happens to the process when one of them ends early.

use std::{io, num::NonZeroUsize, thread};

use crate::shutdown::Shutdown;

/// A worker's listener, its poller (twice: once for the registry) and its waker.
const FDS_PER_WORKER: u64 = 4;

/// The number of descriptors that `workers` workers need for themselves.
pub fn fds_for_workers(workers: NonZeroUsize) -> u64 {
    FDS_PER_WORKER.saturating_mul(u64::try_from(workers.get()).unwrap_or(u64::MAX))
}

/// Runs `run` for each of `inputs`, with a worker id, on a thread named `name` and the id. The first runs on the
/// calling thread, so that a single worker needs no extra thread. When one fails, the others are told to stop.
///
/// # Errors
/// The first error of `run`, or the failure to start a thread.
///
/// # Panics
/// A panic in `run` aborts the process: a dead worker's listener would keep accepting connections into its queue, where
/// they would never be served.
pub fn run_on_threads<P: Send>(
    name: &str,
    inputs: impl IntoIterator<Item = P>,
    shutdown: &Shutdown,
    run: impl Fn(usize, P) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let run = |worker_id, input| {
        let _abort_on_panic = AbortOnPanic;
        let ended = run(worker_id, input);
        if ended.is_err() {
            shutdown.stop();
        }
        ended
    };
    let mut inputs = inputs.into_iter().enumerate();
    let Some((first, own)) = inputs.next() else { return Ok(()) };
    thread::scope(|scope| {
        let run = &run;
        let start = |(worker_id, input)| {
            let thread = thread::Builder::new().name(format!("{name} {worker_id}"));
            thread.spawn_scoped(scope, move || run(worker_id, input))
        };
        let others: Vec<_> = inputs.map(start).collect();
        if others.iter().any(Result::is_err) {
            shutdown.stop();
        }
        let own = run(first, own);
        let others = others.into_iter().map(|thread| thread?.join().unwrap_or(Ok(())));
        others.fold(own, Result::and)
    })
}

/// Aborts the process when dropped during a panic.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::ErrorKind,
        sync::{Mutex, PoisonError},
    };

    use crate::shutdown::ShutdownStage;

    use super::*;

    #[test]
    fn the_first_runs_on_the_calling_thread() {
        let (shutdown, seen) = (Shutdown::new().unwrap(), Mutex::new(Vec::new()));
        let here = thread::current().name().map(str::to_owned);
        run_on_threads("worker", ["a", "b", "c"], &shutdown, |worker_id, input| {
            let name = thread::current().name().map(str::to_owned);
            seen.lock().unwrap_or_else(PoisonError::into_inner).push((worker_id, input, name));
            Ok(())
        })
        .unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(seen, [(0, "a", here), (1, "b", named("worker 1")), (2, "c", named("worker 2"))]);
        assert!(!shutdown.is_draining());
    }

    #[test]
    fn one_error_stops_all_threads() {
        let shutdown = Shutdown::new().unwrap();
        let ended = run_on_threads("worker", 0..3, &shutdown, |worker_id, _| {
            if worker_id == 1 {
                return Err(ErrorKind::AddrInUse.into());
            }
            shutdown.wait(ShutdownStage::Stopping);
            Ok(())
        });
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
