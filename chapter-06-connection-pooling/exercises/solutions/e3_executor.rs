//! Exercise 6.3, solved.
//!
//! What wakers need, and what tasks need, are kept apart. A waker is a number, a flag and the queue, all of which any
//! thread may use; the futures stay in a table that only `turn` touches. So there is no lock around a future, and no
//! circle of a task that owns a waker that owns the task: that circle is how executors leak.
//!
//! The flag says "is in the queue, or has ended", and is lowered *before* the poll: a wake that comes during it puts the
//! task back. Lowered afterwards, it would swallow that wake, and the task would sleep for ever. Numbers are never used
//! again, so an old waker cannot find a new task.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Debug};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use crate::contracts::{Executor, Task};

/// Tasks, polled when they have been woken.
#[derive(Debug)]
pub struct Loop {
    queue: Arc<Queue>,
    tasks: HashMap<u64, Spawned>,
    /// The number of the next one.
    number: u64,
}

/// Who is to be polled.
#[derive(Debug)]
struct Queue {
    woken: Mutex<VecDeque<u64>>,
    parent: Waker,
}

/// A task's waker.
#[derive(Debug)]
struct Signal {
    number: u64,
    /// It is in the queue, or has ended: a wake has nothing to do.
    is_raised: AtomicBool,
    queue: Arc<Queue>,
}

/// A task in the table.
struct Spawned {
    task: Task,
    signal: Arc<Signal>,
    waker: Waker,
}

impl Debug for Spawned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").field("signal", &self.signal).finish_non_exhaustive()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel: what was done before the wake is seen by the poll that lowers the flag.
        if self.is_raised.swap(true, AcqRel) {
            return;
        }
        let mut woken = self.queue.lock();
        let is_first = woken.is_empty();
        woken.push_back(self.number);
        drop(woken);
        if is_first {
            self.queue.parent.wake_by_ref();
        }
    }
}

/// Without a task.
pub fn executor(parent: Waker) -> Loop {
    Loop { queue: Arc::new(Queue { woken: Mutex::default(), parent }), tasks: HashMap::new(), number: 0 }
}

impl Executor for Loop {
    fn spawn(&mut self, task: Task) {
        self.number += 1;
        let (number, queue) = (self.number, Arc::clone(&self.queue));
        let signal = Arc::new(Signal { number, is_raised: AtomicBool::new(false), queue });
        let waker = Waker::from(Arc::clone(&signal));
        self.tasks.insert(number, Spawned { task, signal: Arc::clone(&signal), waker });
        signal.wake();
    }

    fn turn(&mut self) -> usize {
        let woken = mem::take(&mut *self.queue.lock());
        let mut polled = 0;
        for number in woken {
            // One that was woken by another thread while it ended.
            let Some(Spawned { task, signal, waker }) = self.tasks.get_mut(&number) else { continue };
            polled += 1;
            signal.is_raised.swap(false, AcqRel);
            if task.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                signal.is_raised.store(true, Release);
                self.tasks.remove(&number);
            }
        }
        polled
    }

    fn len(&self) -> usize {
        self.tasks.len()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        for spawned in self.tasks.values() {
            spawned.signal.is_raised.store(true, Release);
        }
    }
}
