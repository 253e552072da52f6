//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "the checks, without those that nothing here fails")]

use std::process::ExitCode;

use exercises_02::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod e1_log_line;
mod e2_hop_by_hop;
mod e3_chunked_decoder;
mod e4_files;
mod e5_cache;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_log_line::wrong::CASES,
        e2_hop_by_hop::wrong::CASES,
        e3_chunked_decoder::wrong::CASES,
        e4_files::wrong::CASES,
        e5_cache::wrong::CASES,
    ])
}
