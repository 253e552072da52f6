//! The order and the deadlines of the connects to a backend with several addresses.
//!
//! The addresses are tried in order within one deadline. Each gets an equal share of the remaining time, so that an
//! address that drops packets does not use up the time of the others. Sans-IO: an engine makes the connects and waits
//! for them in its own way, with a thread, an event loop or a future.

use std::{
    io, mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::connect::connect_error;
use crate::http::{FailureKind, Phase, ProxyError, Side};

/// The addresses of a backend that have not been tried yet.
#[derive(Debug)]
pub struct ConnectPlan<A> {
    addresses: A,
    deadline: Instant,
    last_error: ProxyError,
}

impl<A: ExactSizeIterator<Item = SocketAddr>> ConnectPlan<A> {
    /// Tries `addresses` in order until `deadline`.
    pub fn new(addresses: A, deadline: Instant) -> Self {
        Self { addresses, deadline, last_error: no_address() }
    }

    /// The next address to try, and its own deadline. `None` when no address is left, or when no other address would do
    /// better because this process cannot open more sockets: see [`take_error`](Self::take_error).
    pub fn next_address(&mut self, now: Instant) -> Option<(SocketAddr, Instant)> {
        if self.last_error.side == Side::Internal {
            return None;
        }
        let share = self.remaining(now) / u32::try_from(self.addresses.len().max(1)).unwrap_or(u32::MAX);
        Some((self.addresses.next()?, now + share))
    }

    /// Records that the connect to the last address failed.
    pub fn record_failure(&mut self, error: io::Error) {
        self.last_error = connect_error(error);
    }

    /// Why no connect succeeded: side `Backend` when no address answered, `Internal` when this process cannot open more
    /// sockets, which is no fault of the backend.
    pub fn take_error(&mut self) -> ProxyError {
        mem::replace(&mut self.last_error, no_address())
    }

    fn remaining(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }
}

fn no_address() -> ProxyError {
    ProxyError::new(FailureKind::Connect, Side::Backend, Phase::Connect)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    #[test]
    fn each_address_gets_an_equal_share_of_the_time_that_is_left() {
        let start = crate::clock::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut plan = ConnectPlan::new(addresses(3).into_iter(), at(3_000));
        assert_eq!(plan.next_address(start), Some((addresses(3)[0], at(1_000))));
        plan.record_failure(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(plan.next_address(start), Some((addresses(3)[1], at(1_500))), "a quick failure leaves its time");
        plan.record_failure(io::ErrorKind::TimedOut.into());
        assert_eq!(plan.next_address(at(1_500)), Some((addresses(3)[2], at(3_000))));
        plan.record_failure(io::ErrorKind::TimedOut.into());
        assert_eq!(plan.next_address(at(3_000)), None);
        assert_eq!(plan.take_error().kind, FailureKind::Timeout);
    }

    #[test]
    fn no_other_address_is_tried_without_descriptors() {
        let start = crate::clock::now();
        let mut plan = ConnectPlan::new(addresses(2).into_iter(), start + Duration::from_secs(1));
        assert!(plan.next_address(start).is_some());
        plan.record_failure(nix::errno::Errno::EMFILE.into());
        assert_eq!(plan.next_address(start), None);
        let error = plan.take_error();
        assert_eq!((error.kind, error.side), (FailureKind::ResourceExhausted, Side::Internal));
    }

    #[test]
    fn a_backend_without_an_address_is_a_failed_connect() {
        let start = crate::clock::now();
        let mut plan = ConnectPlan::new(addresses(0).into_iter(), start);
        assert_eq!(plan.next_address(start), None);
        assert_eq!(plan.take_error().side, Side::Backend);
    }
}
