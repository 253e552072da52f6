//! Whether a backend may be picked.
//!
//! Four watchmen, each blind where another sees. They only give marks; who may be picked is decided from the marks in
//! one place, and below half of the backends nobody is left out ([`mod@panic`]).
//!
//! | module | who speaks | what is noticed |
//! |---|---|---|
//! | [`active`], [`watch`], [`checker`], [`probe`] | a question of our own, every 2 s | a backend that is down, and its return, without any traffic |
//! | [`passive`] | a live connect | a dead process, at the first request instead of the third check |
//! | [`outlier`] | live responses to one backend | one that accepts and then fails |
//! | [`breaker`] | live responses of a whole group | that all of them fail, and asking more makes it worse |
//!
//! [`slow_start`] is for what comes back. All but the checker's threads are plain `Sync` structs with `now` passed in:
//! the engines of chapters 5 to 10 drive them unchanged.

pub mod active;
pub mod breaker;
mod epoch;
pub mod half_open;
pub mod panic_threshold;
pub mod passive;
mod rolling_window;
pub mod slow_start;
