//! What other threads ask of the checker's thread: to check a backend soon, and to end.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use mio::{Token, Waker};

/// The token of the waker. No target has it: their tokens are addresses in memory.
pub(super) const WAKE: Token = Token(0);

/// Shared by the checker and its thread.
#[derive(Debug)]
pub(super) struct CheckerControl<T> {
    /// Targets to be checked soon, each once. Behind a lock that only failed connects take; a channel would grow with
    /// each failed connect.
    urgent: Mutex<Vec<Arc<T>>>,
    is_stopping: AtomicBool,
    waker: Waker,
}

impl<T> CheckerControl<T> {
    /// `waker` wakes the thread, with the token [`WAKE`].
    pub(super) fn new(waker: Waker) -> Self {
        Self { urgent: Mutex::default(), is_stopping: AtomicBool::new(false), waker }
    }

    pub(super) fn check_soon(&self, target: &Arc<T>) {
        let mut urgent = self.urgent.lock().unwrap_or_else(PoisonError::into_inner);
        if !urgent.iter().any(|known| Arc::ptr_eq(known, target)) {
            urgent.push(Arc::clone(target));
            self.wake();
        }
    }

    pub(super) fn take_urgent(&self) -> Vec<Arc<T>> {
        std::mem::take(&mut *self.urgent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn stop(&self) {
        self.is_stopping.store(true, SeqCst);
        self.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(SeqCst)
    }

    fn wake(&self) {
        // Without it the thread wakes when it next asks for the targets.
        let _ = self.waker.wake();
    }
}
