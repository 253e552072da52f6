//! The exercises of chapter 6. You write in `src/`, one file an exercise; `cargo learn next` says which.
//!
//! `start/` holds each file as it was given (`cargo learn reset 6.1` puts it back), `solutions/` an answer to
//! compare yours with, `tests/checks/` what both are held to. Where an exercise asks for a type, [`contracts`] says
//! what it has to do.

pub mod contracts;
pub mod e1_order;
pub mod e2_leases;
pub mod e3_executor;
pub mod e4_preconnect;

/// Our answers. Yours may differ and be as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_order;
    pub mod e2_leases;
    pub mod e3_executor;
    pub mod e4_preconnect;
}
