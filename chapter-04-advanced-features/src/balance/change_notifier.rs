//! Where backends say that something about them has changed, and requests find out.
//!
//! A group picks from a snapshot of its backends, and has to make another when a mark changes. To tell the group, a
//! backend would need to know it; to ask every backend on each request would cost a look at each. So all of a group
//! share one number, which grows with every change: a request compares it with its snapshot's, one relaxed load.

use std::sync::{
    Arc,
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Release},
    },
};

use crate::limit::queue::Queue;

/// The changes of a group.
#[derive(Debug)]
pub struct ChangeNotifier {
    version: AtomicU64,
    queue: Arc<Queue>,
}

impl ChangeNotifier {
    /// For the group in whose `queue` requests wait that a change may help.
    pub fn new(queue: Arc<Queue>) -> Self {
        Self { version: AtomicU64::new(0), queue }
    }

    // ANCHOR: changed
    /// Something has changed that is visible to who sees this.
    pub fn notify(&self) {
        self.version.fetch_add(1, Release);
        self.queue.wake_next();
    }
    // ANCHOR_END: changed

    /// How often something has changed.
    pub fn version(&self) -> u64 {
        self.version.load(Acquire)
    }
}
