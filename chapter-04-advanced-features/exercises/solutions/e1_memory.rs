//! Exercise 4.1, solved.
//!
//! Only one of two may be remembered, so it should be the one with more room for the *next* request: this one counts
//! already. Who remembers the winner as it was before sends it one request too many, each time. The scheme is that of
//! Mitzenmacher, Prabhakar and Shah, *Load Balancing with Memory* (2002).

use crate::contracts::Choice;

/// Who gets the request, and whom to remember. `in_flight` and `up` have an entry for each backend.
pub fn choose(drawn: usize, remembered: Option<usize>, in_flight: &[u32], up: &[bool]) -> Choice {
    let is_up = |place: &usize| up.get(*place).is_some_and(|up| *up);
    let Some(other) = remembered.filter(is_up) else { return Choice { backend: drawn, remember: drawn } };
    let (backend, passed_over) = if in_flight[other] < in_flight[drawn] { (other, drawn) } else { (drawn, other) };
    // Full to the brim, both are equal, and the saturated sum says so.
    let is_still_lower = in_flight[backend].saturating_add(1) < in_flight[passed_over];
    Choice { backend, remember: if is_still_lower { backend } else { passed_over } }
}
