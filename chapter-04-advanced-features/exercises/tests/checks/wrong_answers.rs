//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "the checks, without those that nothing here fails")]

use std::process::ExitCode;

use common::clock::now as beginning;
use exercises_04::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod e1_two_choices_with_memory;
mod e2_aperture;
mod e3_success_rate;
mod e4_hedging;
mod e5_forwarded;
mod e6_rollout;
mod e7_health_status;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_two_choices_with_memory::wrong::CASES,
        e2_aperture::wrong::CASES,
        e3_success_rate::wrong::CASES,
        e4_hedging::wrong::CASES,
        e5_forwarded::wrong::CASES,
        e6_rollout::wrong::CASES,
        e7_health_status::wrong::CASES,
    ])
}
