//! Real HTTP servers to balance.
