//! Health status: whether a backend may be picked. Four detectors, each for failures that the others miss.
//!
//! | module | observes | detects |
//! |---|---|---|
//! | [`active`] | health checks, every 2 s | a backend that is down, and its recovery, without traffic |
//! | [`passive::connect_breaker`] | live connects | a dead process, at the first request instead of the third check |
//! | [`passive::outlier`] | live responses of one backend | a backend that accepts requests and then fails them |
//! | [`breaker`] | live responses of a whole group | that all backends fail, and more requests make it worse |
//!
//! [`slow_start`] limits a recovered backend's share; below half of healthy backends [`panic_threshold`] ignores the
//! status; [`half_open`] is the breakers' permit, and [`failure_statuses`] says which responses count as failures. The
//! detectors only record status: what it means for picking belongs in
//! [`Backend::state`](crate::balance::backend::Backend::state) and the group's view. All but the checker's threads are
//! plain `Sync` structs with `now` passed in: the engines of chapters 5 to 10 drive them unchanged.

pub mod active;
pub mod breaker;
mod epoch;
pub mod failure_statuses;
pub mod half_open;
pub mod panic_threshold;
pub mod passive;
mod rolling_window;
pub mod slow_start;
