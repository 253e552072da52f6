//! A version counter by which backends notify their group of a change.
//!
//! A group picks from a view of its backends, and must rebuild it when a health status changes. A backend has no
//! reference to its group, and reading every backend's status on each request would cost a load per backend. So all
//! backends of a group share one version number, which grows with every change: a request compares it with the view's
//! version, one load.

use std::sync::{
    Arc,
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Release},
    },
};

use crate::limit::queue::Queue;

/// The change notifier of one group.
#[derive(Debug)]
pub struct ChangeNotifier {
    version: AtomicU64,
    queue: Arc<Queue>,
}

impl ChangeNotifier {
    /// A notifier for the group with this `queue`: a change may free its waiting requests.
    pub fn new(queue: Arc<Queue>) -> Self {
        Self { version: AtomicU64::new(0), queue }
    }

    // ANCHOR: changed
    /// Publishes a change, and wakes the first queued request. A reader that sees the new version sees the change.
    pub fn notify(&self) {
        self.version.fetch_add(1, Release);
        self.queue.wake_next();
    }
    // ANCHOR_END: changed

    /// The number of changes so far.
    pub fn version(&self) -> u64 {
        self.version.load(Acquire)
    }
}
