//! Exercise 4.1: two random choices with memory (warm-up).
//!
//! **Contract.** [`choose`] gives a request to one of two backends: the one that was `drawn` for it at random, and the
//! one that the last choice remembered. It returns which, and the backend to remember for the next request.
//!
//! - The one with fewer requests in flight gets it; on a tie the drawn one.
//! - The one with fewer in flight once this request is counted is remembered; on a tie the one that did not get the
//!   request.
//! - A remembered backend that is down by now, or no longer in the list, is ignored. Without one, the drawn backend is
//!   chosen and remembered. The drawn one is in the list and up, and may be the remembered one.
//! - No number of requests in flight makes it panic.

use crate::contracts::Choice;

/// The backend that gets the request, and the one to remember. `in_flight` and `up` have an entry for each backend.
pub fn choose(drawn: usize, remembered: Option<usize>, in_flight: &[u32], _up: &[bool]) -> Choice {
    let backend = match remembered {
        Some(other) if in_flight[other] < in_flight[drawn] => other,
        _ => drawn,
    };
    Choice { backend, remember: backend }
}
