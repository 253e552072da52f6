//! What the shelf locks with. A file of its own, so that the model checker can put its own in place of it.

pub(crate) use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
