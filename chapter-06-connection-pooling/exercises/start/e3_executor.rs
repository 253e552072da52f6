//! Exercise 6.3: a tiny executor (an hour).
//!
//! **Contract.** [`executor`] makes an [`Executor`]: a queue of tasks that have been woken, and what polls them. `parent` is
//! the waker of whoever calls `turn`: a thread that is parked, or a task of another executor.
//!
//! - To spawn a task wakes it for the first time. Nothing is polled but in a turn.
//! - A turn polls those that had been woken when it began, in the order in which they were woken. Each is polled once for
//!   however many wakes came since its last poll began. The turn says how many it has polled.
//! - A wake that comes while its task is polled, of itself or by another thread, is for the next turn. None is lost.
//! - A task that has ended is dropped before the next one is polled, though its wakers live on. To use them then, or when
//!   the executor has been dropped with all its tasks, does nothing: nobody is polled for it, the parent is not woken.
//! - When a wake or a spawn finds nobody in the queue, it wakes the parent. Others need not, and do not.
//! - A task has the same waker in all polls: `will_wake` says so. Who has kept one need not clone it again.
//! - No lock is held while a task is polled or dropped, or the parent is woken: each of them may wake whom it likes.

use std::task::{Context, Waker};

use crate::contracts::{Executor, Task};

/// Tasks, polled one after another.
#[derive(Debug)]
pub struct Loop {
    parent: Waker,
    tasks: Vec<Unknown>,
}

/// A task, of which nothing can be said.
struct Unknown(Task);

impl std::fmt::Debug for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Task")
    }
}

/// Without a task.
pub fn executor(parent: Waker) -> Loop {
    Loop { parent, tasks: Vec::new() }
}

impl Executor for Loop {
    fn spawn(&mut self, task: Task) {
        self.tasks.push(Unknown(task));
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
