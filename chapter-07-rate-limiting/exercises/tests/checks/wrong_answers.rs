//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "the checks, without those that nothing here fails")]

use std::process::ExitCode;

use exercises_07::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod cluster;
mod e1_retry_after;
mod e2_leaky_bucket;
mod e3_fair_shares;
mod e4_token_leases;
mod e5_token_bucket;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_retry_after::wrong::CASES,
        e2_leaky_bucket::wrong::CASES,
        e3_fair_shares::wrong::CASES,
        e4_token_leases::wrong::CASES,
        e5_token_bucket::wrong::CASES,
    ])
}
