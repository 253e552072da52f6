//! Tasks with scripted polls, and a parent waker that counts its wakes, for the checks of exercise 6.3.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::{pin::Pin, thread};

use exercises_06::contracts::Executor;
use integration_tests::wait::TEST_TIMEOUT;

pub(crate) type New<E> = fn(Waker) -> E;

/// A parent waker that counts its wakes, and can wake a task when it is woken.
#[derive(Default)]
pub(crate) struct CountingWaker {
    woken: AtomicUsize,
    pub(crate) wakes: Mutex<Option<Waker>>,
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, SeqCst);
        let task = self.wakes.lock().unwrap().take();
        task.into_iter().for_each(Waker::wake);
    }
}

impl CountingWaker {
    /// How often it was woken since the last call.
    pub(crate) fn take_wakes(&self) -> usize {
        self.woken.swap(0, SeqCst)
    }
}

/// A record of what happened to the tasks.
#[derive(Default)]
pub(crate) struct PollLog {
    /// The tasks that were polled, in order.
    pub(crate) polls: RefCell<Vec<usize>>,
    /// The waker of each poll.
    pub(crate) wakers: RefCell<Vec<Waker>>,
    pub(crate) drops: Cell<usize>,
}

impl PollLog {
    /// The tasks that were polled since the last call.
    pub(crate) fn polled(&self) -> Vec<usize> {
        self.polls.take()
    }

    /// Uses the wakers of these polls, counted from the first.
    pub(crate) fn wake(&self, polls: &[usize]) {
        let wakers: Vec<_> = polls.iter().map(|poll| self.wakers.borrow()[*poll].clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A task that calls `on_poll` in each poll, and ends when that returns true.
struct ManualTask<F> {
    name: usize,
    log: Rc<PollLog>,
    on_poll: F,
}

impl<F: FnMut(&Waker) -> bool + Unpin> Future for ManualTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.log.polls.borrow_mut().push(self.name);
        self.log.wakers.borrow_mut().push(context.waker().clone());
        if (self.on_poll)(context.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<F> Drop for ManualTask<F> {
    fn drop(&mut self) {
        self.log.drops.set(self.log.drops.get() + 1);
    }
}

pub(crate) fn spawn<F>(executor: &mut impl Executor, log: &Rc<PollLog>, name: usize, on_poll: F)
where
    F: FnMut(&Waker) -> bool + Unpin + 'static,
{
    executor.spawn(Box::pin(ManualTask { name, log: Rc::clone(log), on_poll }));
}

/// An executor with this many pending tasks, each polled once: poll n is that of task n.
pub(crate) fn with_pending_tasks<E: Executor>(new: New<E>, tasks: usize) -> (Arc<CountingWaker>, E, Rc<PollLog>) {
    let (parent, log) = (Arc::new(CountingWaker::default()), Rc::<PollLog>::default());
    let mut executor = new(Waker::from(Arc::clone(&parent)));
    (0..tasks).for_each(|name| spawn(&mut executor, &log, name, |_| false));
    assert_eq!((executor.turn(), log.polled()), (tasks, (0..tasks).collect()), "the first turn polls all in order");
    parent.take_wakes();
    (parent, executor, log)
}

/// Runs `work` on another thread; panics if it does not end in time.
pub(crate) fn completes(what: &str, work: impl FnOnce() + Send + 'static) {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match result.recv_timeout(TEST_TIMEOUT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it should end, but blocks, perhaps on a lock: {what}"),
        _ => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}
