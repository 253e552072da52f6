//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "the checks, without those that nothing here fails")]

use std::process::ExitCode;

use exercises_05::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod e1_edge_triggered;
mod e2_poller;
mod e3_timers;
mod e4_ready_queue;
mod e5_message_queue;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_edge_triggered::wrong::CASES,
        e2_poller::wrong::CASES,
        e3_timers::wrong::CASES,
        e4_ready_queue::wrong::CASES,
        e5_message_queue::wrong::CASES,
    ])
}
