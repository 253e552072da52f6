//! A request between its head and its record: its state, and where it waits.
//!
//! The steps themselves stand in [`serve`](crate::serve); this folder has what they keep between two calls, and the waits
//! that are for no exchange: the rest of a head, a slot, the back-off before a retry. A wait says what it waits for and
//! until when, and never blocks.

pub(crate) mod begin;
pub(crate) mod connecting;
pub(crate) mod state;
pub(crate) mod transition;
pub(crate) mod wait;
