//! The exercises of chapter 3. You write in `src/`, one file per exercise; `cargo learn next` shows the next one.
//!
//! `start/` has the starting point of each file (`cargo learn reset 3.1` restores it), `solutions/` a solution to
//! compare yours with, `tests/checks/` the checks that both must pass. [`contracts`] has the types and traits that the
//! exercises, the checks and the solutions share.
//!
//! `wrong_answers/` has plausible wrong answers, and the check that catches each: for when you have solved an exercise.

pub mod contracts;
pub mod e1_random;
pub mod e2_weighted_round_robin;
pub mod e3_least_requests;
pub mod e4_sticky_cookie;
pub mod e5_health_checks;
pub mod e6_stats;
pub mod e7_picker;

/// Our solutions. Yours may differ and be just as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_random;
    pub mod e2_weighted_round_robin;
    pub mod e3_least_requests;
    pub mod e4_sticky_cookie;
    pub mod e5_health_checks;
    pub mod e6_stats;
    pub mod e7_picker;
}
