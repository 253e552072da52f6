//! The pipes that one worker keeps, so that a session does not open two per burst of bytes.

use std::{
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
    rc::Rc,
    time::{Duration, Instant},
};

use super::pipe::Pipe;

/// How many empty pipes a worker keeps.
const MAX_IDLE_PIPES: usize = 32;
/// How many pipes a worker opens, however small they are: a pipe takes two descriptors.
const MAX_OPEN: usize = 512;
/// A pipe with less room moves fewer bytes per system call than copying does. That is what a new pipe has once the
/// user's pages are used up.
const MIN_CAPACITY: usize = 16 * 1024;
/// The most bytes that a worker's pipes may hold together. A client that downloads and does not read keeps its pipe full:
/// without a limit, ten thousand of them would fill 10 GiB of the kernel's memory. An unprivileged user's pipes have the
/// same limit, from the kernel.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// For how long no pipe is opened after that has failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many pipes of `wanted` bytes a worker may have open, those in use included.
pub fn max_open(wanted: usize) -> usize {
    (MAX_BYTES / wanted.max(1)).clamp(1, MAX_OPEN)
}

/// An open pipe, which its pool counts until it is closed.
#[derive(Debug)]
pub struct PooledPipe {
    pipe: Pipe,
    _open: Rc<()>,
}

impl Deref for PooledPipe {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        &self.pipe
    }
}

impl DerefMut for PooledPipe {
    fn deref_mut(&mut self) -> &mut Pipe {
        &mut self.pipe
    }
}

/// One worker's pipes. A session takes one when it has bytes to splice, and returns it when the pipe is empty: sessions
/// without bytes hold none.
#[derive(Debug)]
pub struct PipePool {
    idle: RefCell<Vec<PooledPipe>>,
    wanted: usize,
    max_open: usize,
    /// Each open pipe has a clone.
    open: Rc<()>,
    failed_at: Cell<Option<Instant>>,
    has_warned: Cell<bool>,
}

impl PipePool {
    /// A pool of pipes of `wanted` bytes each.
    pub fn new(wanted: usize) -> Self {
        let max_open = max_open(wanted);
        Self {
            idle: RefCell::default(),
            wanted,
            max_open,
            open: Rc::default(),
            failed_at: Cell::new(None),
            has_warned: Cell::new(false),
        }
    }

    /// An empty pipe. `None`: there is none to be had at `now`, so the bytes have to be copied.
    pub fn take(&self, now: Instant) -> Option<PooledPipe> {
        self.idle.borrow_mut().pop().or_else(|| self.open(now))
    }

    fn open(&self, now: Instant) -> Option<PooledPipe> {
        if Rc::strong_count(&self.open) > self.max_open {
            return None;
        }
        let may_fail_again = |failed: Instant| now.saturating_duration_since(failed) >= RETRY_AFTER;
        if !self.failed_at.get().is_none_or(may_fail_again) {
            return None;
        }
        let reason = match Pipe::open(self.wanted) {
            Ok(pipe) if pipe.capacity() >= MIN_CAPACITY.min(self.wanted) => {
                return Some(PooledPipe { pipe, _open: Rc::clone(&self.open) });
            }
            Ok(pipe) => format!("a new pipe has only {} bytes; raise fs.pipe-user-pages-soft", pipe.capacity()),
            Err(error) => error.to_string(),
        };
        self.failed_at.set(Some(now));
        if !self.has_warned.replace(true) {
            tracing::warn!("no pipe for splice, bytes are copied: {reason}");
        }
        None
    }

    /// Takes back `pipe`. One that is not empty is closed: its bytes are another session's.
    pub fn put(&self, pipe: PooledPipe) {
        let mut idle = self.idle.borrow_mut();
        if pipe.is_empty() && idle.len() < MAX_IDLE_PIPES {
            idle.push(pipe);
        }
    }

    /// Closes an idle pipe, because descriptors have run out. Returns whether there was one.
    pub fn close_one(&self) -> bool {
        self.idle.borrow_mut().pop().is_some()
    }

    /// How many pipes are idle.
    pub fn len(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Whether no pipe is idle.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        io::Write,
        net::{TcpListener, TcpStream},
    };

    use common::clock;

    use super::*;

    #[test]
    fn keeps_some_pipes_and_only_empty_ones() {
        let (pool, now) = (PipePool::new(4_096), clock::now());
        let pipes: Vec<_> = (0..MAX_IDLE_PIPES + 3).map(|_| pool.take(now).unwrap()).collect();
        assert!(pool.is_empty());
        for pipe in pipes {
            pool.put(pipe);
        }
        assert_eq!(pool.len(), MAX_IDLE_PIPES);
        let mut used = pool.take(now).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"x").unwrap();
        used.fill_from(&listener.accept().unwrap().0).unwrap();
        pool.put(used);
        assert_eq!(pool.len(), MAX_IDLE_PIPES - 1);
        assert!(pool.close_one());
        assert_eq!(pool.len(), MAX_IDLE_PIPES - 2);
    }

    #[test]
    fn pipes_in_use_are_limited_by_the_bytes_that_they_may_hold() {
        assert_eq!((max_open(1 << 20), max_open(65_536), max_open(4_096), max_open(usize::MAX)), (64, 512, 512, 1));
        let (pool, now) = (PipePool::new(32 << 20), clock::now());
        let (first, second) = (pool.take(now).unwrap(), pool.take(now).unwrap());
        assert!(pool.take(now).is_none());
        pool.put(first);
        drop(second);
        assert!(pool.take(now).is_some() && pool.take(now).is_some());
    }

    #[test]
    fn after_a_failure_it_does_not_try_again_at_once() {
        // No pipe is that large: it keeps the default size, which the pool takes.
        let (pool, now) = (PipePool::new(usize::MAX), clock::now());
        assert!(pool.take(now).is_some());
        pool.failed_at.set(Some(now));
        assert!(pool.take(now + RETRY_AFTER / 2).is_none());
        assert!(pool.take(now + RETRY_AFTER).is_some());
    }
}
