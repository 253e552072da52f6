//! Exercise 1.4, solved.
//!
//! The limit becomes a deadline once, at the start; each share is computed from the remaining time, so late attempts
//! and quick refusals need no special case. Go's `net.Dialer` divides its time in the same way. The next step would be
//! to overlap the attempts ("happy eyeballs", RFC 8305).

use std::net::SocketAddr;
use std::time::Duration;

use crate::contracts::Network;

/// Connects to the first of `addresses` that accepts, all within `limit`.
pub fn connect_any<N: Network>(
    addresses: &[SocketAddr],
    limit: Duration,
    network: &mut N,
) -> Result<N::Connection, String> {
    if addresses.is_empty() {
        return Err("cannot connect: there is no address".to_owned());
    }
    let deadline = network.now() + limit;
    let mut reasons = Vec::new();
    // Counting down: how many addresses remain, this one included.
    for (&address, addresses_left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let time_left = deadline.saturating_duration_since(network.now());
        let share = time_left / u32::try_from(addresses_left).unwrap_or(u32::MAX);
        if share.is_zero() {
            reasons.push(format!("{address}: no time left"));
            continue;
        }
        match network.connect(address, share) {
            Ok(connection) => return Ok(connection),
            Err(error) => reasons.push(format!("{address}: {error}")),
        }
    }
    Err(format!("cannot connect: {}", reasons.join("; ")))
}
