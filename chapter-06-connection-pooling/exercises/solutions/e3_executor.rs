//! Exercise 6.3, solved.
//!
//! The state of wakers is separate from the state of tasks. A waker has an id, a flag and the queue, all of which any
//! thread may use; the futures stay in a table that only `turn` touches. So there is no lock around a future, and no
//! reference cycle of a task that owns a waker that owns the task: that cycle is how executors leak.
//!
//! The flag means "is in the queue, or has ended", and is cleared *before* the poll: a wake during the poll enqueues
//! the task again. Cleared afterwards, it would lose that wake, and the task would never be polled again. Ids are never
//! reused, so an old waker cannot wake a new task.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Debug};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use crate::contracts::{Executor, Task};

/// Tasks, polled when they have been woken.
#[derive(Debug)]
pub struct LocalExecutor {
    queue: Arc<Queue>,
    tasks: HashMap<u64, Spawned>,
    /// The id of the latest task.
    last_id: u64,
}

/// The ids of woken tasks.
#[derive(Debug)]
struct Queue {
    woken: Mutex<VecDeque<u64>>,
    parent: Waker,
}

/// A task's waker.
#[derive(Debug)]
struct TaskWaker {
    task_id: u64,
    /// The task is in the queue, or has ended: a wake does nothing.
    is_queued: AtomicBool,
    queue: Arc<Queue>,
}

/// A task in the table.
struct Spawned {
    task: Task,
    task_waker: Arc<TaskWaker>,
    waker: Waker,
}

impl Debug for Spawned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").field("waker", &self.task_waker).finish_non_exhaustive()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel: writes before the wake are visible to the poll that clears the flag.
        if self.is_queued.swap(true, AcqRel) {
            return;
        }
        let mut woken = self.queue.lock();
        let is_first = woken.is_empty();
        woken.push_back(self.task_id);
        drop(woken);
        if is_first {
            self.queue.parent.wake_by_ref();
        }
    }
}

/// An executor without tasks.
pub fn executor(parent: Waker) -> LocalExecutor {
    LocalExecutor { queue: Arc::new(Queue { woken: Mutex::default(), parent }), tasks: HashMap::new(), last_id: 0 }
}

impl Executor for LocalExecutor {
    fn spawn(&mut self, task: Task) {
        self.last_id += 1;
        let (task_id, queue) = (self.last_id, Arc::clone(&self.queue));
        let task_waker = Arc::new(TaskWaker { task_id, is_queued: AtomicBool::new(false), queue });
        let waker = Waker::from(Arc::clone(&task_waker));
        self.tasks.insert(task_id, Spawned { task, task_waker: Arc::clone(&task_waker), waker });
        task_waker.wake();
    }

    fn turn(&mut self) -> usize {
        let woken = mem::take(&mut *self.queue.lock());
        let mut polled = 0;
        for task_id in woken {
            // Missing: the task was woken by another thread while it ended.
            let Some(Spawned { task, task_waker, waker }) = self.tasks.get_mut(&task_id) else { continue };
            polled += 1;
            task_waker.is_queued.swap(false, AcqRel);
            if task.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                task_waker.is_queued.store(true, Release);
                self.tasks.remove(&task_id);
            }
        }
        polled
    }

    fn len(&self) -> usize {
        self.tasks.len()
    }
}

impl Drop for LocalExecutor {
    fn drop(&mut self) {
        for spawned in self.tasks.values() {
            spawned.task_waker.is_queued.store(true, Release);
        }
    }
}
