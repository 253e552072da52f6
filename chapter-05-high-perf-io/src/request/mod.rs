//! A request between its head and its record: its state, and where it waits.
//!
//! The steps themselves are in [`serve`](crate::serve); this folder has the state that they keep between two calls, and
//! every wait that is not part of an exchange: for the rest of a head, for a slot, for the back-off before a retry. A
//! wait returns what it waits for and until when, and never blocks.

pub(crate) mod begin;
pub(crate) mod connecting;
pub(crate) mod state;
pub(crate) mod transition;
pub(crate) mod wait;
