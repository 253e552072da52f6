//! The bounds of adaptive limits.

/// The limit of a group that has not seen a response yet: that of Netflix's limits.
pub(super) const INITIAL_LIMIT: u32 = 20;

/// No limit grows beyond it. It is there for the arithmetic: a limit that is not in use does not grow.
pub(super) const MAX_LIMIT: u32 = 1 << 20;
