//! How long an exchange may go on as it does.
//!
//! Every wait has a deadline, and each is fed only by what it is about: a stalled download by bytes that the
//! client takes, a silent backend by bytes that it gives ([`Relay::progress`]). Sans-IO: the engine arms its
//! timer with what [`until`](Patience::until) says.

use std::time::Instant;

use super::{relay::Relay, wants::TimeoutKind};
use crate::timeouts::Timeouts;

/// The deadlines of one exchange.
#[derive(Debug, Default)]
pub struct ExchangeTimeouts {
    running: Option<RunningTimeout>,
    /// Kept while something else is waited for in between: a client that is slow to take interim responses
    /// must not give its backend more time.
    first_byte: Option<RunningTimeout>,
}

#[derive(Debug, Clone, Copy)]
struct RunningTimeout {
    kind: TimeoutKind,
    progress: u64,
    deadline: Instant,
}

impl ExchangeTimeouts {
    /// Nothing has been waited for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Until when the exchange may wait for what it wants now.
    pub fn deadline(&mut self, relay: &Relay, timeouts: &Timeouts, now: Instant) -> Instant {
        let (kind, progress) = (relay.timeout_kind(), relay.progress());
        let slot = if kind == TimeoutKind::FirstByte { &mut self.first_byte } else { &mut self.running };
        match slot {
            Some(running) if (running.kind, running.progress) == (kind, progress) => running.deadline,
            _ => {
                let deadline = now + timeouts.for_kind(kind);
                *slot = Some(RunningTimeout { kind, progress, deadline });
                deadline
            }
        }
    }
}

impl Timeouts {
    /// How long an exchange may wait in this way without progress.
    fn for_kind(&self, kind: TimeoutKind) -> std::time::Duration {
        match kind {
            TimeoutKind::ClientIo | TimeoutKind::BackendWrite => self.body,
            TimeoutKind::FirstByte => self.first_byte,
            TimeoutKind::Stream => self.stream,
            TimeoutKind::Tunnel => self.tunnel,
        }
    }
}
