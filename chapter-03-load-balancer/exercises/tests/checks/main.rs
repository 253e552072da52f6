//! The checks of chapter 3's exercises. `cargo test` runs them on our solutions, `cargo learn check 3` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

use integration_tests::exercise_checks;

mod e1_random;
mod e2_weighted_round_robin;
mod e3_least_requests;
mod e4_sticky_cookie;
mod e5_health_checks;
mod e6_stats;
mod e7_picker;
