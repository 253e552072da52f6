//! What one limit has decided about a request.

use crate::limiter::Checked;

/// A limit that a request was checked against.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckedLimit {
    /// Its index.
    pub(super) limit: usize,
    pub(super) checked: Checked,
}
