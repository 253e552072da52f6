//! The exercises of chapter 3. You write in `src/`, one file an exercise; `cargo learn next` says which.
//!
//! `start/` holds each file as it was given (`cargo learn reset 3.1` restores it), `solutions/` a solution to compare
//! yours with, `tests/checks/` the tests that both must pass. Where an exercise asks for a type, [`contracts`] has the
//! trait that it implements.

pub mod contracts;
pub mod e1_random;
pub mod e2_weights;
pub mod e3_least;
pub mod e4_sticky;
pub mod e5_health;
pub mod e6_stats;

/// Our solutions. Yours may differ and be as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_random;
    pub mod e2_weights;
    pub mod e3_least;
    pub mod e4_sticky;
    pub mod e5_health;
    pub mod e6_stats;
}
