//! Exercise 6.3: a single-threaded executor (an hour).
//!
//! **Contract.** [`executor`] returns an [`Executor`]: a queue of woken tasks, and the code that polls them. `parent`
//! is the waker of the caller of `turn`: a parked thread, or a task of another executor.
//!
//! - Spawning a task wakes it for the first time. Tasks are polled only in `turn`.
//! - A turn polls the tasks that were woken before it began, in the order of their wakes, each once, however many wakes
//!   it got since its last poll began. It returns how many it has polled.
//! - A wake during the poll of its task, by the task or by another thread, counts for the next turn. No wake is lost.
//! - A task that has ended is dropped before the next poll, though its wakers live on. Using them then, or after the
//!   executor has been dropped with all its tasks, does nothing: no task is polled, and the parent is not woken.
//! - A wake or a spawn that finds the queue empty wakes the parent. Others do not.
//! - A task has the same waker in all polls (`will_wake` returns true), so a stored waker need not be cloned again.
//! - No lock is held while a task is polled or dropped, or the parent is woken: each of them may wake any task.

use std::task::{Context, Waker};

use crate::contracts::{Executor, Task};

/// Tasks, polled one after another.
#[derive(Debug)]
pub struct LocalExecutor {
    parent: Waker,
    tasks: Vec<OpaqueTask>,
}

/// A task, with the `Debug` that a boxed future lacks.
struct OpaqueTask(Task);

impl std::fmt::Debug for OpaqueTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Task")
    }
}

/// An executor without tasks.
pub fn executor(parent: Waker) -> LocalExecutor {
    LocalExecutor { parent, tasks: Vec::new() }
}

impl Executor for LocalExecutor {
    fn spawn(&mut self, task: Task) {
        self.tasks.push(OpaqueTask(task));
        self.parent.wake_by_ref();
    }

    fn turn(&mut self) -> usize {
        let polled = self.tasks.len();
        let mut context = Context::from_waker(&self.parent);
        self.tasks.retain_mut(|task| task.0.as_mut().poll(&mut context).is_pending());
        polled
    }

    fn len(&self) -> usize {
        self.tasks.len()
    }
}
