//! The wrong answers of `wrong_answers/`: each must fail the checks that it names.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "the checks, without those that nothing here fails")]

use std::process::ExitCode;

use exercises_09::contracts;
use integration_tests::{wrong_answer_cases as exercise_checks, wrong_answers};

mod e1_splice_loop;
mod e2_sendfile;
mod e3_proxy_header;
mod e4_half_close;
mod e5_byte_range;
mod e6_dns_response;
mod e7_flow_table;

fn main() -> ExitCode {
    wrong_answers::main(&[
        e1_splice_loop::wrong::CASES,
        e2_sendfile::wrong::CASES,
        e3_proxy_header::wrong::CASES,
        e4_half_close::wrong::CASES,
        e5_byte_range::wrong::CASES,
        e6_dns_response::wrong::CASES,
        e7_flow_table::wrong::CASES,
    ])
}
