//! The exercises of chapter 2. You write in `src/`, one file an exercise; `cargo learn next` says which.
//!
//! `start/` holds each file as it was given (`cargo learn reset 2.1` restores it), `solutions/` a solution to compare
//! yours with, `tests/checks/` the tests that both must pass. `contracts` holds the types that yours and ours share.

pub mod contracts;
pub mod e1_log_line;
pub mod e2_hop_by_hop;
pub mod e3_dechunk;
pub mod e4_files;
pub mod e5_cache;

/// Our solutions. Yours may differ and be as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_log_line;
    pub mod e2_hop_by_hop;
    pub mod e3_dechunk;
    pub mod e4_files;
    pub mod e5_cache;
}
