//! The checks of chapter 3's exercises. `cargo test` runs them on our solutions, `cargo learn check 3` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

mod e1_random;
mod e2_weights;
mod e3_least;
mod e4_sticky;
mod e5_health;
mod e6_stats;
