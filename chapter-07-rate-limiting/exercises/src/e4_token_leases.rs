//! Exercise 7.4: one limit, many balancers (an evening).
//!
//! **Contract.** [`leasing_limiter`] returns a [`LeasingLimiter`] for one of several balancers that share a limit. It
//! leases tokens from a [`SharedCounter`], which is a round trip away, and lets requests pass on them.
//!
//! - **Exact.** In each window (`now` / `window`, rounded down) at most as many requests pass as tokens were granted for
//!   it, and none is refused while there is a token. What was granted for another window is worth nothing.
//! - **Bounded loss.** One request to the counter is in flight at a time. It asks for at least one token for the present
//!   window, and for at most `batch` less those that were granted for this window and not used. So a balancer that dies
//!   takes no more than a batch with it.
//! - **Ahead.** If requests arrive evenly, at most `batch` / 4 in a round trip and at least ten batches in a window, and
//!   the counter has tokens, at most 5 in 100 wait. At most four requests are sent to the counter per batch that passes,
//!   and two more in each window.
//! - **Used up.** After a grant of fewer tokens than were asked for, nothing more is asked for in that window.
//! - **Wait.** A request that finds no token waits if a request to the counter is in flight, such as one that it has just
//!   caused, and the window is not used up. Otherwise it is refused: nothing would bring it a token.
//! - **Local share.** From [`LeaseResponse::Unreachable`] until the next grant, of any window and any count, no request
//!   waits, and in each window as many pass as were granted for it, or `limit` / `balancers`, rounded down, if that is
//!   more. Those that pass use up what was granted, and what will be. Nothing is sent to the counter until `backoff` has
//!   passed since the response; after that, requests are sent as always.

use std::time::Duration;

use crate::contracts::{LeaseRequest, LeaseResponse, LeasingLimiter, SharedCounter, SharedLimit, Verdict};

/// Tokens that were granted.
#[derive(Debug)]
pub struct Leases {
    limit: SharedLimit,
    tokens: u32,
}

/// A balancer that has leased nothing yet.
pub fn leasing_limiter(limit: SharedLimit) -> Leases {
    Leases { limit, tokens: 0 }
}

impl LeasingLimiter for Leases {
    fn check(&mut self, now: Duration, counter: &mut dyn SharedCounter) -> Verdict {
        if self.tokens > 0 {
            self.tokens -= 1;
            return Verdict::Pass;
        }
        let window = u64::try_from(now.as_nanos() / self.limit.window.as_nanos()).unwrap_or(u64::MAX);
        counter.send(LeaseRequest { window, count: self.limit.batch });
        Verdict::Wait
    }

    fn on_response(&mut self, response: LeaseResponse, _now: Duration) {
        if let LeaseResponse::Granted(lease) = response {
            self.tokens += lease.count;
        }
    }
}
