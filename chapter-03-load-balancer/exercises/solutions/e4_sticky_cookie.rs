//! Exercise 3.4, solved.
//!
//! The cookie holds only the keyed hash of the backend's name. There is nothing to decode, and so no decoding error:
//! the value is compared with the hash of each backend. An attacker without the secret and without another client's
//! cookie has to guess 64 bits. With many backends, the hashes should be cached between requests.

use crate::contracts::KeyedHash;

/// The name of the cookie.
const NAME: &str = "lb";

/// The backend for a request with these cookies, and the value of `Set-Cookie`.
///
/// `next` is the next backend in round-robin order that is up.
pub fn choose(
    cookies: Option<&str>,
    backends: &[&str],
    up: &[bool],
    next: usize,
    keyed_hash: &KeyedHash,
) -> (usize, Option<String>) {
    let sticky = cookies.into_iter().flat_map(values).find_map(|value| backend_of(value, backends, keyed_hash));
    match sticky {
        Some(backend) if up[backend] => (backend, None),
        _ => {
            let value = value_for(backends[next], keyed_hash);
            (next, Some(format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Lax")))
        }
    }
}

/// The values of all cookies of our name, in order. A piece without `=` is skipped.
fn values(cookies: &str) -> impl Iterator<Item = &str> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value)
}

/// The backend that the cookie `value` belongs to.
fn backend_of(value: &str, backends: &[&str], keyed_hash: &KeyedHash) -> Option<usize> {
    // Compares with all of them, even after a match: the time does not depend on the index.
    let matching =
        |(index, name): (usize, &&str)| constant_time_eq(value, &value_for(name, keyed_hash)).then_some(index);
    backends.iter().enumerate().map(matching).fold(None, Option::or)
}

/// Sixteen digits, including leading zeros, so that all values have the same length.
fn value_for(name: &str, keyed_hash: &KeyedHash) -> String {
    format!("{:016x}", keyed_hash(name))
}

/// Compares every byte: `==` stops at the first difference, so its duration would reveal where that is.
fn constant_time_eq(one: &str, other: &str) -> bool {
    let difference = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && difference == 0
}
