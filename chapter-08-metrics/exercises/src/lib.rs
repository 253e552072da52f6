//! The exercises of chapter 8. You write in `src/`, one file per exercise; `cargo learn next` shows the next one.
//!
//! `start/` has the starting point of each file (`cargo learn reset 8.1` restores it), `solutions/` a solution to
//! compare yours with, `tests/checks/` the checks that both must pass. [`contracts`] has the types that the exercises,
//! the checks and the solutions share.
//!
//! `wrong_answers/` has plausible wrong answers, and the check that catches each: for when you have solved an exercise.

pub mod contracts;
pub mod e1_sample_line;
pub mod e2_increase;
pub mod e3_quantile;
pub mod e4_bounded_labels;
pub mod e5_outcome_table;
pub mod e6_event_feed;
pub mod e7_recent_readings;

/// Our solutions. Yours may differ and be just as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_sample_line;
    pub mod e2_increase;
    pub mod e3_quantile;
    pub mod e4_bounded_labels;
    pub mod e5_outcome_table;
    pub mod e6_event_feed;
    pub mod e7_recent_readings;
}
