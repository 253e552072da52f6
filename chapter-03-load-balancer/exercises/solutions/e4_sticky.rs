//! Exercise 3.4, solved.
//!
//! The cookie holds nothing but the keyed hash of the backend's name. There is nothing to decode and so nothing to
//! get wrong: the hash of each backend is compared with what came. Who knows neither the secret nor somebody's cookie
//! has to guess 64 bits. A large list would keep the hashes from one request to the next.

use crate::contracts::Keyed;

/// The name of the cookie.
const NAME: &str = "lb";

/// The backend for a request with these cookies, and what `Set-Cookie` is to say.
///
/// `next` is whose turn it is among those that are up.
pub fn choose(
    cookies: Option<&str>,
    backends: &[&str],
    up: &[bool],
    next: usize,
    keyed: &Keyed,
) -> (usize, Option<String>) {
    let known = cookies.into_iter().flat_map(values).find_map(|value| named_by(value, backends, keyed));
    match known {
        Some(backend) if up[backend] => (backend, None),
        _ => {
            let value = value_for(backends[next], keyed);
            (next, Some(format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Lax")))
        }
    }
}

/// The values of all cookies of our name, in order. A piece that is no pair is none of ours.
fn values(cookies: &str) -> impl Iterator<Item = &str> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value)
}

/// The backend that `value` was made for.
fn named_by(value: &str, backends: &[&str], keyed: &Keyed) -> Option<usize> {
    // All of them, whichever fits: the time taken tells nothing about the place.
    let fits = |(place, name): (usize, &&str)| same(value, &value_for(name, keyed)).then_some(place);
    backends.iter().enumerate().map(fits).fold(None, Option::or)
}

/// Sixteen digits, leading zeros included: no length tells anything.
fn value_for(name: &str, keyed: &Keyed) -> String {
    format!("{:016x}", keyed(name))
}

/// Equality that looks at every byte: `==` stops at the first difference, and the time it took says where that was.
fn same(one: &str, other: &str) -> bool {
    let difference = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && difference == 0
}
