//! Exercise 3.4: the same backend again (an evening).
//!
//! **Contract.** [`choose`] keeps a client with one backend by a cookie named `lb`. It gives the backend, and the value
//! of a `Set-Cookie` field if the client needs a new cookie.
//!
//! - A client with a valid cookie gets its backend, and no new cookie. Without one, or if its backend is down or gone,
//!   it gets `next` and a cookie for that.
//! - The cookie stays valid when the balancer is started again with the same secret, and when the backends are listed
//!   in another order: it names the backend, not its place.
//! - Its value shows neither the place nor the name of the backend, not even the length of the name. Without the secret
//!   nobody can make a valid one: whatever was changed, shortened or made with another secret is as no cookie.
//! - Other cookies may stand before and after it (RFC 6265 §4.2.1: `a=1; lb=…; b=2`). The name is `lb` exactly. Of
//!   several, the first that is valid counts. Nothing that a client sends makes it panic.
//! - `Path=/; HttpOnly; SameSite=Lax`, and no other attribute.

use crate::contracts::Keyed;

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
    let value = cookies.and_then(|cookies| cookies.strip_prefix("lb="));
    let known = value.and_then(|value| (0..backends.len()).find(|backend| signed(*backend, keyed) == value));
    match known {
        Some(backend) if up[backend] => (backend, None),
        _ => (next, Some(format!("lb={}; Path=/", signed(next, keyed)))),
    }
}

/// The place of a backend, and a signature that nobody can forge. Is that enough?
fn signed(backend: usize, keyed: &Keyed) -> String {
    format!("{backend}.{:x}", keyed(&backend.to_string()))
}
