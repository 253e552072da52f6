//! The local replies of a balancer that refuses a request before it is sent.

use std::time::Duration;

use common::http::LocalReply;

/// No rule matches the request, and there is no default group.
pub const NO_ROUTE: LocalReply = LocalReply::new(404, "no_route");
/// All backends of the group are at their limits, and its queue is full.
pub const QUEUE_FULL: LocalReply = LocalReply::new(503, "queue_full").with_retry_after(1);
/// The request waited in the queue for as long as it may.
pub const QUEUE_TIMEOUT: LocalReply = LocalReply::new(503, "queue_timeout").with_retry_after(1);
/// The group is overloaded, and the request was removed from its queue.
pub const SHED: LocalReply = LocalReply::new(503, "shed").with_retry_after(1);

/// The group's breaker is open, until `retry_after` has passed.
pub fn breaker_open(retry_after: Duration) -> LocalReply {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    LocalReply::new(503, "breaker_open").with_retry_after(u32::try_from(seconds.max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_and_never_too_early() {
        for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (9_500, 10)] {
            assert_eq!(breaker_open(Duration::from_millis(millis)).retry_after, Some(seconds), "{millis} ms");
        }
    }
}
