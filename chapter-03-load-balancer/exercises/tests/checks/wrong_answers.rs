//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "the checks, without those that nothing here fails")]

use std::process::ExitCode;

use exercises_03::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod e1_random;
mod e2_weighted_round_robin;
mod e3_least_requests;
mod e4_sticky_cookie;
mod e5_health_checks;
mod e6_stats;
mod e7_picker;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_random::wrong::CASES,
        e2_weighted_round_robin::wrong::CASES,
        e3_least_requests::wrong::CASES,
        e4_sticky_cookie::wrong::CASES,
        e5_health_checks::wrong::CASES,
        e6_stats::wrong::CASES,
        e7_picker::wrong::CASES,
    ])
}
