//! Suite `zero_copy`: bytes that go through a pipe are neither lost, nor reordered, nor held for ever.

pub(super) mod bodies;
pub(super) mod slow_readers;
