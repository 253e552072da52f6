//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "the checks, without those that nothing here fails")]

use std::process::ExitCode;

use exercises_06::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod e1_lifo_fifo;
mod e2_leases;
mod e3_executor;
mod e4_preconnect;
mod e5_connection_pool;
mod manual_task;
mod simulation;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_lifo_fifo::wrong::CASES,
        e2_leases::wrong::CASES,
        e3_executor::wrong::CASES,
        e4_preconnect::wrong::CASES,
        e5_connection_pool::wrong::CASES,
    ])
}
