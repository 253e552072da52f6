//! The exercises of chapter 1. You write in `src/`, one file an exercise; `cargo learn next` says which.
//!
//! `start/` holds each file as it was given (`cargo learn reset 1.1` restores it), `solutions/` a solution to
//! compare yours with, `tests/checks/` the tests that both must pass.

pub mod contracts;
pub mod e1_shout;
pub mod e2_called;
pub mod e3_calculator;
pub mod e4_any_address;
pub mod e5_chat;

/// Our solutions. Yours may differ and be as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_shout;
    pub mod e2_called;
    pub mod e3_calculator;
    pub mod e4_any_address;
    pub mod e5_chat;
}
