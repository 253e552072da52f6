//! The checks of chapter 4's exercises. `cargo test` runs them on our solutions, `cargo learn check 4` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

use common::clock::now as beginning;
use integration_tests::exercise_checks;

mod e1_two_choices_with_memory;
mod e2_aperture;
mod e3_success_rate;
mod e4_hedging;
mod e5_forwarded;
mod e6_rollout;
mod e7_health_status;
