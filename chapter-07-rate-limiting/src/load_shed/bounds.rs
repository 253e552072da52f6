//! The bounds of adaptive limits.

/// The limit before there is anything to go by; for the gradient, after its first measurement. 20 is the default of
/// Netflix's limits.
pub(super) const INITIAL_LIMIT: u32 = 20;

/// Upper bound of every limit. It only keeps the arithmetic from overflowing: a limit that is not in use does not grow
/// anyway.
pub(super) const MAX_LIMIT: u32 = 1 << 20;
