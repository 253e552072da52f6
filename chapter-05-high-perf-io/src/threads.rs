//! A thread for each loop, and what becomes of the process when one of them ends before its time.

use std::{io, thread};

use common::shutdown::Shutdown;

/// Runs `turn` for each of `parts`, with its place, on a thread named `name` and the place. The first has this thread:
/// with one there is none besides. When one fails, the others are told to stop. Chapter 6 does the same with runtimes.
///
/// # Errors
/// The first error of all, or that a thread could not start.
///
/// # Panics
/// One that panics ends the process: its listener's queue would go on to swallow clients.
pub fn run_each<P: Send>(
    name: &str,
    parts: impl IntoIterator<Item = P>,
    shutdown: &Shutdown,
    turn: impl Fn(usize, P) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let turn = |place, part| {
        let _ends_the_process = AbortOnPanic;
        let ended = turn(place, part);
        if ended.is_err() {
            shutdown.now();
        }
        ended
    };
    let mut parts = parts.into_iter().enumerate();
    let Some((first, own)) = parts.next() else { return Ok(()) };
    thread::scope(|scope| {
        let turn = &turn;
        let start = |(place, part)| {
            let thread = thread::Builder::new().name(format!("{name} {place}"));
            thread.spawn_scoped(scope, move || turn(place, part))
        };
        let others: Vec<_> = parts.map(start).collect();
        if others.iter().any(Result::is_err) {
            shutdown.now();
        }
        let own = turn(first, own);
        let others = others.into_iter().map(|thread| thread?.join().unwrap_or(Ok(())));
        others.fold(own, Result::and)
    })
}

/// Ends the process when it is dropped by a panic.
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

    use common::shutdown::Stage;

    use super::*;

    #[test]
    fn each_has_a_thread_and_the_first_has_this_one() {
        let (shutdown, seen) = (Shutdown::new().unwrap(), Mutex::new(Vec::new()));
        let here = thread::current().name().map(str::to_owned);
        run_each("loop", ["a", "b", "c"], &shutdown, |place, part| {
            let name = thread::current().name().map(str::to_owned);
            seen.lock().unwrap_or_else(PoisonError::into_inner).push((place, part, name));
            Ok(())
        })
        .unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(seen, [(0, "a", here), (1, "b", named("loop 1")), (2, "c", named("loop 2"))]);
        assert!(!shutdown.draining());
    }

    #[test]
    fn who_fails_stops_the_others() {
        let shutdown = Shutdown::new().unwrap();
        let ended = run_each("loop", 0..3, &shutdown, |place, _| {
            if place == 1 {
                return Err(ErrorKind::AddrInUse.into());
            }
            shutdown.wait(Stage::Now);
            Ok(())
        });
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
