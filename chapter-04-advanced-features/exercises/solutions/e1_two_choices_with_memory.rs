//! Exercise 4.1, solved.
//!
//! Only one of two can be remembered, so it should be the one that is better for the *next* request: this request
//! counts already. Remembering the chosen one by its earlier count sends it one request too many, each time. The scheme
//! is by Mitzenmacher, Prabhakar and Shah, *Load Balancing with Memory* (2002).

use crate::contracts::Choice;

/// The backend that gets the request, and the one to remember. `in_flight` and `up` have an entry for each backend.
pub fn choose(drawn: usize, remembered: Option<usize>, in_flight: &[u32], up: &[bool]) -> Choice {
    let is_up = |index: &usize| up.get(*index).is_some_and(|up| *up);
    let Some(other) = remembered.filter(is_up) else { return Choice { backend: drawn, remember: drawn } };
    let (backend, other_one) = if in_flight[other] < in_flight[drawn] { (other, drawn) } else { (drawn, other) };
    // At `u32::MAX` both are equal, and the saturating sum keeps them so.
    let is_still_lower = in_flight[backend].saturating_add(1) < in_flight[other_one];
    Choice { backend, remember: if is_still_lower { backend } else { other_one } }
}
