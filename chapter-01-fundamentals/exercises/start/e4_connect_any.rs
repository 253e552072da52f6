//! Exercise 1.4: one deadline for several addresses (an hour).
//!
//! **Contract.** [`connect_any`] tries `addresses` in their order and returns the first connection. All attempts
//! together have `limit`, by the clock of `network`:
//!
//! - An attempt gets an even share of the remaining time: divided by the number of remaining addresses, its own
//!   included. So an address that drops packets cannot use up the time of the others, and the time that a quick
//!   refusal saves goes to later addresses.
//! - An address for which no time is left is not tried; `connect` is never called with a zero limit.
//! - When none accepted, the error is one line that names each address, in their order, with its own reason:
//!   `cannot connect: 192.0.2.1:80: connection refused; 192.0.2.2:80: timed out; 192.0.2.3:80: no time left`.
//!   An empty list is an error, too.

use std::net::SocketAddr;
use std::time::Duration;

use crate::contracts::Network;

/// Connects to the first of `addresses` that accepts, all within `limit`.
pub fn connect_any<N: Network>(
    addresses: &[SocketAddr],
    limit: Duration,
    network: &mut N,
) -> Result<N::Connection, String> {
    let mut last_error = "no address to connect to".to_owned();
    for &address in addresses {
        match network.connect(address, limit) {
            Ok(connection) => return Ok(connection),
            Err(error) => last_error = format!("cannot connect: {address}: {error}"),
        }
    }
    Err(last_error)
}
