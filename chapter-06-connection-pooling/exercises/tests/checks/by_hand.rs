//! Tasks made by hand, and a parent waker that counts, for the checks of exercise 6.3.

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
pub(crate) struct Parent {
    woken: AtomicUsize,
    pub(crate) wakes: Mutex<Option<Waker>>,
}

impl Wake for Parent {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, SeqCst);
        let task = self.wakes.lock().unwrap().take();
        task.into_iter().for_each(Waker::wake);
    }
}

impl Parent {
    /// How often it was woken since the last call.
    pub(crate) fn times(&self) -> usize {
        self.woken.swap(0, SeqCst)
    }
}

/// A record of what happened to the tasks.
#[derive(Default)]
pub(crate) struct Seen {
    /// The tasks that were polled, in order.
    pub(crate) polls: RefCell<Vec<usize>>,
    /// The waker of each poll.
    pub(crate) wakers: RefCell<Vec<Waker>>,
    pub(crate) drops: Cell<usize>,
}

impl Seen {
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

/// A task made by hand: calls `act` in each poll, and ends when that returns true.
struct Hand<F> {
    name: usize,
    seen: Rc<Seen>,
    act: F,
}

impl<F: FnMut(&Waker) -> bool + Unpin> Future for Hand<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.seen.polls.borrow_mut().push(self.name);
        self.seen.wakers.borrow_mut().push(context.waker().clone());
        if (self.act)(context.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<F> Drop for Hand<F> {
    fn drop(&mut self) {
        self.seen.drops.set(self.seen.drops.get() + 1);
    }
}

pub(crate) fn spawn<F>(executor: &mut impl Executor, seen: &Rc<Seen>, name: usize, act: F)
where
    F: FnMut(&Waker) -> bool + Unpin + 'static,
{
    executor.spawn(Box::pin(Hand { name, seen: Rc::clone(seen), act }));
}

/// An executor with this many pending tasks, each polled once: poll n is that of task n.
pub(crate) fn begun<E: Executor>(new: New<E>, tasks: usize) -> (Arc<Parent>, E, Rc<Seen>) {
    let (parent, seen) = (Arc::new(Parent::default()), Rc::<Seen>::default());
    let mut executor = new(Waker::from(Arc::clone(&parent)));
    (0..tasks).for_each(|name| spawn(&mut executor, &seen, name, |_| false));
    assert_eq!((executor.turn(), seen.polled()), (tasks, (0..tasks).collect()), "the first turn polls all in order");
    parent.times();
    (parent, executor, seen)
}

/// Runs `work` on another thread; panics if it does not end in time.
pub(crate) fn ends(what: &str, work: impl FnOnce() + Send + 'static) {
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
