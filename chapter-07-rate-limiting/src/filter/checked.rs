//! What one limit has decided about a request.

use crate::{algorithm::Decision, table::Key};

/// A limit that a request was checked against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checked {
    /// Its index.
    pub(super) limit: usize,
    pub(super) key: Key,
    pub(super) decision: Decision,
}
