//! The checks of chapter 7's exercises. `cargo test` runs them on our solutions, `cargo learn check 7` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

use integration_tests::exercise_checks;

mod cluster;
mod e1_retry_after;
mod e2_leaky_bucket;
mod e3_fair_shares;
mod e4_token_leases;
mod e5_token_bucket;
