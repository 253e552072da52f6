//! The exercises of chapter 5. You write in `src/`, one file an exercise; `cargo learn next` says which.
//!
//! `start/` holds each file as it was given (`cargo learn reset 5.1` puts it back), `solutions/` an answer to
//! compare yours with, `tests/checks/` what both are held to. Where an exercise asks for a type, [`contracts`] says
//! what it has to do.

pub mod contracts;
pub mod e1_wake_up;
pub mod e2_poller;
pub mod e3_timers;
pub mod e4_ready_queue;
pub mod e5_mailbox;

/// Our answers. Yours may differ and be as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_wake_up;
    pub mod e2_poller;
    pub mod e3_timers;
    pub mod e4_ready_queue;
    pub mod e5_mailbox;
}
