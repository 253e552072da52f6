//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the checks, without those that nothing here fails"
)]

use std::process::ExitCode;

use exercises_01::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod e1_uppercase_echo;
mod e2_connection_log;
mod e3_calculator;
mod e4_connect_any;
mod e5_chat;
mod peer;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_uppercase_echo::wrong::CASES,
        e2_connection_log::wrong::CASES,
        e3_calculator::wrong::CASES,
        e4_connect_any::wrong::CASES,
        e5_chat::wrong::CASES,
    ])
}
