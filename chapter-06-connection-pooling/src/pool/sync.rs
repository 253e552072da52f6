//! The lock and the atomic of the shared pool. A file of its own, so that the model checker can replace them with its
//! own.

pub(crate) use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
