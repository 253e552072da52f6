//! Exercise 3.4: sticky sessions with a cookie (an evening).
//!
//! **Contract.** [`choose`] keeps a client on one backend with a cookie named `lb`. It returns the backend, and the
//! value of a `Set-Cookie` header if the client needs a new cookie.
//!
//! - A client with a valid cookie gets its backend, and no new cookie. Without one, or if its backend is down or no
//!   longer configured, it gets `next` and a cookie for that.
//! - The cookie stays valid when the balancer is restarted with the same secret, and when the backends are listed in
//!   another order: it identifies the backend by name, not by index.
//! - Its value reveals neither the index nor the name of the backend, not even the length of the name. It cannot be
//!   forged without the secret: a value that was changed, shortened or made with another secret is ignored.
//! - Other cookies may come before and after it (RFC 6265 §4.2.1: `a=1; lb=…; b=2`). The name is exactly `lb`. Of
//!   several, the first valid one is used. No input from a client makes it panic.
//! - `Path=/; HttpOnly; SameSite=Lax`, and no other attribute.

use crate::contracts::KeyedHash;

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
    let value = cookies.and_then(|cookies| cookies.strip_prefix("lb="));
    let sticky = value.and_then(|value| (0..backends.len()).find(|backend| signed(*backend, keyed_hash) == value));
    match sticky {
        Some(backend) if up[backend] => (backend, None),
        _ => (next, Some(format!("lb={}; Path=/", signed(next, keyed_hash)))),
    }
}

/// The index of a backend, and a signature that cannot be forged. Is that enough?
fn signed(backend: usize, keyed_hash: &KeyedHash) -> String {
    format!("{backend}.{:x}", keyed_hash(&backend.to_string()))
}
