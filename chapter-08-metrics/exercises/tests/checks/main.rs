//! The checks of chapter 8's exercises. `cargo test` runs them on our solutions, `cargo learn check 8` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

use integration_tests::exercise_checks;

mod e1_sample_line;
mod e2_increase;
mod e3_quantile;
mod e4_bounded_labels;
mod e5_outcome_table;
mod e6_event_feed;
mod e7_recent_readings;
