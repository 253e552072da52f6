//! The checks of chapter 6's exercises: for your code on request (`cargo learn check 6`), for our solutions always.
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

mod by_hand;
mod e1_order;
mod e2_leases;
mod e3_executor;
mod e4_preconnect;
mod world;
