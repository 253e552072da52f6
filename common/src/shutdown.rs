//! Shutdown in two stages: *draining* (finish the requests in flight, accept no new ones), then *stopping* (drop the
//! rest).
//!
//! Each engine waits in its own way, and each can wait for a [`Shutdown`]: a thread with [`Shutdown::wait`], a poller
//! with [`Shutdown::fd`], a task with [`Shutdown::reached`]; a loop that runs anyway checks [`Shutdown::is_draining`],
//! which is one atomic load. A stage that has been reached is never left, so a late check cannot miss it.
//! [`crate::signals`], a test, or chapter 10's upgrade requests the shutdown.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The stage of a shutdown. Later stages compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ShutdownStage {
    /// No shutdown has been requested.
    Running,
    /// Finish the requests in flight, accept no new ones.
    Draining,
    /// Drop the remaining requests and return.
    Stopping,
}

impl ShutdownStage {
    const ALL: [Self; 3] = [Self::Running, Self::Draining, Self::Stopping];
}

/// The shutdown request, shared by everything that must act on it. Clones are handles to the same request.
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The stage, written under the lock of `waiters` and read without it.
    stage: AtomicU8,
    waiters: Mutex<Waiters>,
    /// Notified after every change of `stage`.
    changed: Condvar,
    /// Per stage, the read end of a pipe that is readable and at end-of-file once the stage is reached.
    stage_pipes: [PipeReader; 3],
}

#[derive(Debug)]
struct Waiters {
    /// The write ends of `Shared::stage_pipes`, closed (and `None`) once their stage is reached.
    pipe_writers: [Option<PipeWriter>; 3],
    /// One entry per waiting future, removed when the future ends or is dropped.
    wakers: BTreeMap<u64, (ShutdownStage, Waker)>,
    /// The last id given out; 64 bits do not run out.
    next_id: u64,
}

impl Waiters {
    fn allocate_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

impl Shutdown {
    /// A running program. Fails only if the process is out of file descriptors: it takes five.
    pub fn new() -> io::Result<Self> {
        let (running, _) = io::pipe()?; // `Running` is always reached
        let (draining, close_draining) = io::pipe()?;
        let (stopping, close_stopping) = io::pipe()?;
        let waiters = Waiters {
            pipe_writers: [None, Some(close_draining), Some(close_stopping)],
            wakers: BTreeMap::new(),
            next_id: 0,
        };
        let shared = Shared {
            stage: AtomicU8::new(ShutdownStage::Running as u8),
            waiters: Mutex::new(waiters),
            changed: Condvar::new(),
            stage_pipes: [running, draining, stopping],
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Requests the first stage. Does nothing if it has been reached.
    pub fn drain(&self) {
        self.shared.advance_to(ShutdownStage::Draining);
    }

    /// Requests the second stage, and with it the first. Does nothing if it has been reached.
    pub fn stop(&self) {
        self.shared.advance_to(ShutdownStage::Stopping);
    }

    /// The stage reached so far: one atomic load, cheap enough for every request.
    pub fn stage(&self) -> ShutdownStage {
        self.shared.stage()
    }

    /// Whether a stage after [`ShutdownStage::Running`] has been reached.
    pub fn is_draining(&self) -> bool {
        self.stage() >= ShutdownStage::Draining
    }

    /// Blocks this thread until `stage` is reached.
    pub fn wait(&self, stage: ShutdownStage) {
        let mut waiters = self.shared.lock();
        // Not `wait_while`, which returns early if the lock is poisoned.
        while self.stage() < stage {
            waiters = self.shared.changed.wait(waiters).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks this thread until `stage` is reached or `timeout` has passed; returns whether the stage was reached.
    pub fn wait_timeout(&self, stage: ShutdownStage, timeout: Duration) -> bool {
        let waiters = self.shared.lock();
        drop(self.shared.changed.wait_timeout_while(waiters, timeout, |_| self.stage() < stage));
        self.stage() >= stage
    }

    /// A descriptor that is readable, and hung up, from `stage` on: for `poll`, `epoll`, `kqueue`, `mio`, `AsyncFd`.
    ///
    /// It stays readable for any number of pollers because nothing reads from it; callers must not read from it either.
    /// Level- and edge-triggered pollers both report it, also when it is registered after the stage was reached.
    pub fn fd(&self, stage: ShutdownStage) -> BorrowedFd<'_> {
        self.shared.stage_pipes[stage as usize].as_fd()
    }

    /// A future that completes once `stage` is reached. It needs no particular runtime. Cancel safe.
    #[must_use = "a future does nothing until it is polled"]
    pub fn reached(&self, stage: ShutdownStage) -> impl Future<Output = ()> + Send + 'static {
        Reached { shared: Arc::clone(&self.shared), stage, id: None }
    }
}

impl Shared {
    fn stage(&self) -> ShutdownStage {
        // Acquire, with the release in `advance_to`: writes made before the shutdown request are visible after it.
        ShutdownStage::ALL[usize::from(self.stage.load(Ordering::Acquire))]
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance_to(&self, to: ShutdownStage) {
        let mut waiters = self.lock();
        if self.stage() >= to {
            return;
        }
        self.stage.store(to as u8, Ordering::Release);
        for pipe_writer in &mut waiters.pipe_writers[..=to as usize] {
            if let Some(mut pipe_writer) = pipe_writer.take() {
                // A closed write end alone is POLLHUP without POLLIN on Linux; the byte serves pollers that ask for
                // POLLIN only. The write cannot block (the pipe is empty), and if it fails, POLLHUP remains.
                let _ = pipe_writer.write_all(b"!");
            }
        }
        let woken: Vec<_> = waiters.wakers.extract_if(.., |_, (stage, _)| *stage <= to).collect();
        drop(waiters);
        self.changed.notify_all();
        // Not under the lock: a waker may run or drop a task at once, and with it a `Reached`.
        for (_, (_, waker)) in woken {
            waker.wake();
        }
    }
}

/// What [`Shutdown::reached`] returns.
struct Reached {
    shared: Arc<Shared>,
    stage: ShutdownStage,
    /// This future's entry in `Waiters::wakers`, from the first poll that returned `Pending`.
    id: Option<u64>,
}

impl Future for Reached {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waker = cx.waker().clone(); // foreign code: not under the lock
        let mut waiters = this.shared.lock();
        // Checked under the lock that every stage change takes, so no change between this check and the insert is lost.
        if this.shared.stage() >= this.stage {
            return Poll::Ready(());
        }
        let id = *this.id.get_or_insert_with(|| waiters.allocate_id());
        let previous = waiters.wakers.insert(id, (this.stage, waker));
        drop(waiters);
        drop(previous); // after the lock, as above
        Poll::Pending
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let own = self.shared.lock().wakers.remove(&id);
            drop(own); // after the lock, as above
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;
    use std::thread;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn stages_are_reached_in_order_and_never_left() {
        let shutdown = Shutdown::new().unwrap();
        assert_eq!(shutdown.stage(), ShutdownStage::Running);
        assert!(!shutdown.is_draining());
        shutdown.drain();
        shutdown.drain();
        assert_eq!(shutdown.stage(), ShutdownStage::Draining);
        shutdown.clone().stop();
        shutdown.drain();
        assert_eq!(shutdown.stage(), ShutdownStage::Stopping);
        assert!(shutdown.is_draining());
    }

    #[test]
    fn wakes_a_waiting_thread_per_stage() {
        let shutdown = Shutdown::new().unwrap();
        assert!(!shutdown.wait_timeout(ShutdownStage::Draining, Duration::from_millis(1)));
        thread::scope(|scope| {
            let drained = scope.spawn(|| shutdown.wait_timeout(ShutdownStage::Draining, LONG));
            let ended = scope.spawn(|| shutdown.wait(ShutdownStage::Stopping));
            shutdown.drain();
            assert!(drained.join().unwrap());
            assert!(!ended.is_finished());
            shutdown.stop();
            ended.join().unwrap();
        });
        shutdown.wait(ShutdownStage::Running);
        assert!(shutdown.wait_timeout(ShutdownStage::Stopping, Duration::ZERO));
    }

    fn events(fd: BorrowedFd<'_>) -> PollFlags {
        let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap();
        fds[0].revents().unwrap()
    }

    #[test]
    fn descriptor_stays_readable_from_its_stage_on() {
        let shutdown = Shutdown::new().unwrap();
        assert!(events(shutdown.fd(ShutdownStage::Running)).contains(PollFlags::POLLHUP));
        assert!(events(shutdown.fd(ShutdownStage::Draining)).is_empty());
        shutdown.drain();
        for _ in 0..3 {
            let seen = events(shutdown.fd(ShutdownStage::Draining));
            assert!(seen.contains(PollFlags::POLLIN | PollFlags::POLLHUP), "{seen:?}");
        }
        assert!(events(shutdown.fd(ShutdownStage::Stopping)).is_empty());
        shutdown.stop();
        assert!(events(shutdown.fd(ShutdownStage::Stopping)).contains(PollFlags::POLLIN));
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn future_is_woken_once_and_by_its_last_waker() {
        let shutdown = Shutdown::new().unwrap();
        let (first, last) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut reached = Box::pin(shutdown.reached(ShutdownStage::Draining));
        for count in [&first, &last] {
            let waker = Waker::from(Arc::clone(count));
            assert!(reached.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        shutdown.drain();
        shutdown.stop();
        assert_eq!(first.0.load(Ordering::Relaxed), 0);
        assert_eq!(last.0.load(Ordering::Relaxed), 1);
        assert!(reached.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        let mut late = Box::pin(shutdown.reached(ShutdownStage::Stopping));
        assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn dropped_futures_are_removed() {
        let shutdown = Shutdown::new().unwrap();
        let poll_once = |future: Pin<&mut dyn Future<Output = ()>>| {
            assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        };
        let mut kept = Box::pin(shutdown.reached(ShutdownStage::Stopping));
        poll_once(kept.as_mut());
        for _ in 0..100 {
            let mut reached = Box::pin(shutdown.reached(ShutdownStage::Draining));
            poll_once(reached.as_mut());
            poll_once(reached.as_mut());
            poll_once(kept.as_mut());
        }
        assert_eq!(shutdown.shared.lock().wakers.len(), 1);
        shutdown.stop();
        assert!(shutdown.shared.lock().wakers.is_empty());
    }

    #[test]
    fn wakes_a_task_that_drops_itself_in_its_waker() {
        struct Task(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);
        impl Wake for Task {
            fn wake(self: Arc<Self>) {
                self.0.lock().unwrap().take();
            }
        }
        let shutdown = Shutdown::new().unwrap();
        let task = Arc::new(Task(Mutex::new(None)));
        let waker = Waker::from(Arc::clone(&task));
        let mut reached = Box::pin(shutdown.reached(ShutdownStage::Draining));
        assert!(reached.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        *task.0.lock().unwrap() = Some(reached);
        shutdown.drain();
        assert!(task.0.lock().unwrap().is_none());
    }
}
