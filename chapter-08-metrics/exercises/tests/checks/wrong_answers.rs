//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "the checks, without those that nothing here fails")]

use std::process::ExitCode;

use exercises_08::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod e1_sample_line;
mod e2_increase;
mod e3_quantile;
mod e4_bounded_labels;
mod e5_outcome_table;
mod e6_event_feed;
mod e7_recent_readings;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_sample_line::wrong::CASES,
        e2_increase::wrong::CASES,
        e3_quantile::wrong::CASES,
        e4_bounded_labels::wrong::CASES,
        e5_outcome_table::wrong::CASES,
        e6_event_feed::wrong::CASES,
        e7_recent_readings::wrong::CASES,
    ])
}
