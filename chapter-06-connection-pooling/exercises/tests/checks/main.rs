//! The checks of chapter 6's exercises. `cargo test` runs them on our solutions, `cargo learn check 6` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

mod by_hand;
mod e1_order;
mod e2_leases;
mod e3_executor;
mod e4_preconnect;
mod world;
