//! The exercises of chapter 2. You write in `src/`, one file per exercise; `cargo learn next` shows the next one.
//!
//! `start/` has the starting point of each file (`cargo learn reset 2.1` restores it), `solutions/` a solution to
//! compare yours with, `tests/checks/` the checks that both must pass. [`contracts`] has the types and traits that the
//! exercises, the checks and the solutions share.
//!
//! `wrong_answers/` has plausible wrong answers, and the check that catches each: for when you have solved an exercise.

pub mod contracts;
pub mod e1_log_line;
pub mod e2_hop_by_hop;
pub mod e3_chunked_decoder;
pub mod e4_files;
pub mod e5_cache;

/// Our solutions. Yours may differ and be just as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_log_line;
    pub mod e2_hop_by_hop;
    pub mod e3_chunked_decoder;
    pub mod e4_files;
    pub mod e5_cache;
}
