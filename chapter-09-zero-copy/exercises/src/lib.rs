//! The exercises of chapter 9. You write in `src/`, one file per exercise; `cargo learn next` shows the next one.
//!
//! `start/` has the starting point of each file (`cargo learn reset 9.1` restores it), `solutions/` a solution to
//! compare yours with, `tests/checks/` the checks that both must pass. [`contracts`] has the types and traits that the
//! exercises, the checks and the solutions share.
//!
//! `wrong_answers/` has plausible wrong answers, and the check that catches each: for when you have solved an exercise.

pub mod contracts;
pub mod e1_splice_loop;
pub mod e2_sendfile;
pub mod e3_proxy_header;
pub mod e4_half_close;
pub mod e5_byte_range;
pub mod e6_dns_response;
pub mod e7_flow_table;

/// Our solutions. Yours may differ and be just as good: the checks decide.
#[path = "../solutions"]
pub mod solutions {
    pub mod e1_splice_loop;
    pub mod e2_sendfile;
    pub mod e3_proxy_header;
    pub mod e4_half_close;
    pub mod e5_byte_range;
    pub mod e6_dns_response;
    pub mod e7_flow_table;
}
