//! Exercise 1.4: any address that answers (an hour).
//!
//! **Contract.** [`connect_any`] tries `addresses` in their order and returns the first connection. All attempts
//! together have `limit`, by the clock of `network`:
//!
//! - An attempt gets an even share of the time that is left: divided by the number of addresses left, its own
//!   included. So an address that swallows packets cannot eat the time of the others, and what a quick refusal saves
//!   goes to those after it.
//! - An address for which no time is left is not tried; a zero limit is never asked for.
//! - When none answered, the error is one line that names each address, in their order, with its own reason:
//!   `cannot connect: 192.0.2.1:80: connection refused; 192.0.2.2:80: timed out; 192.0.2.3:80: no time left`.
//!   An empty list is an error, too.

use std::net::SocketAddr;
use std::time::Duration;

use crate::contracts::Network;

/// Connects to the first of `addresses` that answers, all within `limit`.
pub fn connect_any<N: Network>(
    addresses: &[SocketAddr],
    limit: Duration,
    network: &mut N,
) -> Result<N::Connection, String> {
    let mut refusal = "no address to connect to".to_owned();
    for &address in addresses {
        match network.connect(address, limit) {
            Ok(connection) => return Ok(connection),
            Err(error) => refusal = format!("cannot connect: {address}: {error}"),
        }
    }
    Err(refusal)
}
