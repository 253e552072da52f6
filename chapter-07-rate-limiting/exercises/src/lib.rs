//! The exercises of chapter 7. You write in `src/`, one file per exercise; `cargo learn next` shows the next one.
//!
//! `start/` has the starting point of each file (`cargo learn reset 7.1` restores it), `solutions/` a solution to
//! compare yours with, `tests/checks/` the checks that both must pass. [`contracts`] has the types and traits that the
//! exercises, the checks and the solutions share.
//!
//! `wrong_answers/` has plausible wrong answers, and the check that catches each: for when you have solved an exercise.

pub mod contracts;
pub mod e1_retry_after;
pub mod e2_leaky_bucket;
pub mod e3_fair_shares;
pub mod e4_token_leases;
pub mod e5_token_bucket;

/// Our solutions. Yours may differ and be just as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_retry_after;
    pub mod e2_leaky_bucket;
    pub mod e3_fair_shares;
    pub mod e4_token_leases;
    pub mod e5_token_bucket;
}
