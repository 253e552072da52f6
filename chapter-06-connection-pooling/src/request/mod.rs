//! A request between its head and its record: its state, and what it waits for.
//!
//! The steps themselves are in [`serve`](crate::serve); this folder has the state that a request keeps across an
//! `await`, and the awaits with their deadlines: the rest of a head, a slot, a connect, an exchange, the back-off
//! before a retry.

pub(crate) mod active;
pub(crate) mod attempt_record;
pub(crate) mod begin;
pub(crate) mod ended_request;
pub(crate) mod own_time;
mod splice_body;
pub(crate) mod state;
pub(crate) mod wait;
