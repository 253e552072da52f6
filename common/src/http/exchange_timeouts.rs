//! How long an exchange may go on as it does.
//!
//! Every wait has a deadline, and each is fed only by what it is about: a stalled download by bytes that the
//! client takes, a silent backend by bytes that it gives ([`Relay::progress`]). Sans-IO: the engine arms its
//! timer with what [`until`](Patience::until) says.

use std::time::Instant;

use super::{relay::Relay, wants::Deadline};
use crate::timeouts::Timeouts;

/// The deadlines of one exchange.
#[derive(Debug, Default)]
pub struct Patience {
    armed: Option<Armed>,
    /// Kept while something else is waited for in between: a client that is slow to take interim responses
    /// must not give its backend more time.
    first_byte: Option<Armed>,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    deadline: Deadline,
    progress: u64,
    by: Instant,
}

impl Patience {
    /// Nothing has been waited for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Until when the exchange may wait for what it wants now.
    pub fn until(&mut self, relay: &Relay, timeouts: &Timeouts, now: Instant) -> Instant {
        let (deadline, progress) = (relay.deadline(), relay.progress());
        let slot = if deadline == Deadline::FirstByte { &mut self.first_byte } else { &mut self.armed };
        match slot {
            Some(armed) if (armed.deadline, armed.progress) == (deadline, progress) => armed.by,
            _ => {
                let by = now + timeouts.of(deadline);
                *slot = Some(Armed { deadline, progress, by });
                by
            }
        }
    }
}

impl Timeouts {
    /// How long an exchange may wait in this way without progress.
    fn of(&self, deadline: Deadline) -> std::time::Duration {
        match deadline {
            Deadline::Client | Deadline::Backend => self.body,
            Deadline::FirstByte => self.first_byte,
            Deadline::Stream => self.stream,
            Deadline::Tunnel => self.tunnel,
        }
    }
}
