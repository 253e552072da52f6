//! The checks of chapter 9's exercises. `cargo test` runs them on our solutions, `cargo learn check 9` on your code.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

use integration_tests::exercise_checks;

mod e1_splice_loop;
mod e2_sendfile;
mod e3_proxy_header;
mod e4_half_close;
mod e5_byte_range;
mod e6_dns_response;
mod e7_flow_table;
