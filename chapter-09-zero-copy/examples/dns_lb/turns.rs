//! The rotation of the answers.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hickory_proto::rr::RecordType;

/// Counts the queries for addresses, by type.
///
/// With one counter for both types there would be a trap: most clients ask for A and AAAA together. A counter that
/// advances by two for each client gives all of them the same one of two backends.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    a: AtomicUsize,
    aaaa: AtomicUsize,
}

impl Turns {
    /// Rotates `items` by one more than for the query of this type before.
    pub(crate) fn rotate<T>(&self, record_type: RecordType, items: &mut [T]) {
        let counter = if record_type == RecordType::AAAA { &self.aaaa } else { &self.a };
        let turn = counter.fetch_add(1, Relaxed);
        if !items.is_empty() {
            items.rotate_left(turn % items.len());
        }
    }
}
