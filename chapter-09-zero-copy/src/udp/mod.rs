//! Layer-4 UDP: flows instead of connections.
pub mod drop_reason;
pub mod flow_table;
pub mod quota;
