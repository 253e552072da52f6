//! The timeouts of a running exchange.
//!
//! Every wait has a deadline, and each is extended only by its own progress: that of a stalled download by bytes
//! written to the client, that of a slow response by bytes read from the backend ([`Relay::progress`]). Sans-IO: the
//! engine arms its timer with [`ExchangeTimeouts::deadline`].

use std::time::Instant;

use super::{relay::Relay, wants::TimeoutKind};
use crate::timeouts::Timeouts;

/// The running timeouts of one exchange.
#[derive(Debug, Default)]
pub struct ExchangeTimeouts {
    running: Option<RunningTimeout>,
    /// Kept while another timeout runs in between: a client that is slow to read interim responses must not give its
    /// backend more time.
    first_byte: Option<RunningTimeout>,
}

#[derive(Debug, Clone, Copy)]
struct RunningTimeout {
    kind: TimeoutKind,
    progress: u64,
    deadline: Instant,
}

impl ExchangeTimeouts {
    /// No timeout is running yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The deadline for what the exchange waits for now.
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
    /// The timeout for this kind of wait.
    fn for_kind(&self, kind: TimeoutKind) -> std::time::Duration {
        match kind {
            TimeoutKind::ClientIo | TimeoutKind::BackendWrite | TimeoutKind::ResponseBody => self.body,
            TimeoutKind::FirstByte => self.first_byte,
            TimeoutKind::Stream => self.stream,
            TimeoutKind::Tunnel => self.tunnel,
        }
    }
}
