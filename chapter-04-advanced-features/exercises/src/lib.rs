//! The exercises of chapter 4. You write in `src/`, one file per exercise; `cargo learn next` shows the next one.
//!
//! `start/` has the starting point of each file (`cargo learn reset 4.1` restores it), `solutions/` a solution to
//! compare yours with, `tests/checks/` the checks that both must pass. [`contracts`] has the types and traits that the
//! exercises, the checks and the solutions share. `src/bin/` has this chapter's balancer with a part that you write,
//! and the same with our solution.
//!
//! `wrong_answers/` has plausible wrong answers, and the check that catches each: for when you have solved an exercise.

pub mod contracts;
pub mod e1_two_choices_with_memory;
pub mod e2_aperture;
pub mod e3_success_rate;
pub mod e4_hedging;
pub mod e5_forwarded;
pub mod e6_rollout;
pub mod e7_health_status;

/// Our solutions. Yours may differ and be just as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_two_choices_with_memory;
    pub mod e2_aperture;
    pub mod e3_success_rate;
    pub mod e4_hedging;
    pub mod e5_forwarded;
    pub mod e6_rollout;
    pub mod e7_health_status;
}
