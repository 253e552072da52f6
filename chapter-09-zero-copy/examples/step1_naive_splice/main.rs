//! A relay that loses bytes: it drops a pipe that isn't empty. Nothing reports it, neither an error nor the FIN.
//!
//! ```console
//! $ cargo run -p chapter-09-zero-copy --example step1_naive_splice
//! ```
//!
//! What differs between the two destinations: one has room for everything. The other has small buffers, and reads nothing
//! for the first 200 ms. The finished relay is `zero_copy_lb`.
#![cfg_attr(target_os = "linux", expect(clippy::unwrap_used, reason = "a demonstration that fails should stop"))]

use common::outln;

#[cfg(target_os = "linux")]
mod relays;
#[cfg(target_os = "linux")]
mod transfer;

#[cfg(target_os = "linux")]
fn main() {
    use transfer::{Destination, transfer};

    outln!("{:<9}{:<14}{:>7}{:>11}{:>9}  whole", "relay", "destination", "sent", "delivered", "intact");
    for (name, relay) in [("naive", relays::naive as transfer::Relay), ("counted", relays::counted)] {
        for (kind, destination) in [("with room", Destination::WithRoom), ("slow", Destination::Slow)] {
            let received = transfer(relay, destination).unwrap();
            let (sent, delivered, intact) = (transfer::BYTES, received.len(), transfer::intact(&received));
            let whole = if intact == sent { "yes" } else { "no" };
            outln!("{name:<9}{kind:<14}{sent:>7}{delivered:>11}{intact:>9}  {whole}");
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    outln!("only Linux has splice(2)");
}
