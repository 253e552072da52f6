//! The timeouts of a running exchange.
//!
//! Every wait has a deadline, and each is extended only by its own progress: that of a stalled download by bytes
//! written to the client, that of a slow response by bytes read from the backend ([`Relay::progress`]). Sans-IO: the
//! engine arms its timer with [`ExchangeTimeouts::deadline`].

use std::time::{Duration, Instant};

use super::{relay::Relay, wants::TimeoutKind};
use crate::timeouts::Timeouts;

/// The running timeouts of one exchange.
#[derive(Debug, Default)]
pub struct ExchangeTimeouts {
    running: Option<RunningTimeout>,
    /// Kept while another timeout runs in between: a client that is slow to read interim responses must not give its
    /// backend more time.
    first_byte: Option<RunningTimeout>,
    /// Since when none of them runs.
    suspended_at: Option<Instant>,
    body_clock: Option<BodyClock>,
}

/// How long a client's body is not judged by its rate: a slow start, or a pause of a second or two, is no attack.
const BODY_RATE_GRACE: Duration = Duration::from_secs(5);

/// For how long the client has been the one to send more of its body. The time in which the backend does not take it is
/// not the client's.
#[derive(Debug, Clone, Copy)]
struct BodyClock {
    /// When it began, moved on by all pauses.
    started: Instant,
    paused_at: Option<Instant>,
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
        if let Some(suspended_at) = self.suspended_at {
            self.resume(suspended_at, now);
        }
        let (kind, progress) = (relay.timeout_kind(), relay.progress());
        let slot = if kind == TimeoutKind::FirstByte { &mut self.first_byte } else { &mut self.running };
        let deadline = match slot {
            Some(running) if (running.kind, running.progress) == (kind, progress) => running.deadline,
            _ => {
                let deadline = now + timeouts.for_kind(kind);
                *slot = Some(RunningTimeout { kind, progress, deadline });
                deadline
            }
        };
        let Some(rate) = timeouts.min_body_rate else { return deadline };
        let (is_clients_turn, bytes) = (relay.waits_for_request_body(), relay.bytes_from_client());
        let by_rate = BodyClock::deadline(&mut self.body_clock, is_clients_turn, bytes, rate.get(), now);
        by_rate.map_or(deadline, |by_rate| deadline.min(by_rate))
    }

    /// Since when the backend has had the whole request and not begun its final response; `None` if the engine never had
    /// to wait for that.
    pub fn waiting_for_response_since(&self, timeouts: &Timeouts) -> Option<Instant> {
        self.first_byte.and_then(|running| running.deadline.checked_sub(timeouts.first_byte))
    }

    /// The exchange waits for bandwidth, and for no peer: until the next [`deadline`](Self::deadline) no time passes. The
    /// timeouts are moved and not started again: otherwise a client could make a stalled exchange wait for bandwidth now
    /// and then, and never time out.
    pub fn suspend(&mut self, now: Instant) {
        self.suspended_at.get_or_insert(now);
        if let Some(clock) = &mut self.body_clock {
            clock.paused_at.get_or_insert(now);
        }
    }

    #[cold]
    fn resume(&mut self, suspended_at: Instant, now: Instant) {
        self.suspended_at = None;
        for timeout in [&mut self.running, &mut self.first_byte].into_iter().flatten() {
            timeout.deadline += now.saturating_duration_since(suspended_at);
        }
    }
}

impl BodyClock {
    /// When a body of which `bytes` have come will have been slower than `rate` per second, if nothing more comes.
    /// `None` while the client is not the one to send.
    fn deadline(
        clock: &mut Option<Self>,
        is_clients_turn: bool,
        bytes: u64,
        rate: u64,
        now: Instant,
    ) -> Option<Instant> {
        if !is_clients_turn {
            if let Some(clock) = clock {
                clock.paused_at.get_or_insert(now);
            }
            return None;
        }
        let clock = clock.get_or_insert(Self { started: now, paused_at: None });
        if let Some(paused_at) = clock.paused_at.take() {
            clock.started += now.saturating_duration_since(paused_at);
        }
        let earned = Duration::from_millis(bytes.saturating_mul(1_000) / rate);
        // No body lasts longer than a year, and an instant far in the future could overflow.
        Some(clock.started + earned.clamp(BODY_RATE_GRACE, Duration::from_hours(365 * 24)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_earns_time_and_does_not_pay_for_pauses_of_the_backend() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let mut clock = None;
        let mut deadline = |is_clients_turn, bytes, at_ms| {
            let now = start + Duration::from_millis(at_ms);
            BodyClock::deadline(&mut clock, is_clients_turn, bytes, 100, now)
                .map(|deadline| (deadline - start).as_millis())
        };
        assert_eq!(deadline(false, 0, 0), None, "no body has begun");
        assert_eq!(deadline(true, 0, 1_000), Some(6_000), "five seconds of grace");
        assert_eq!(deadline(true, 400, 2_000), Some(6_000));
        assert_eq!(deadline(true, 800, 3_000), Some(9_000), "800 bytes are eight seconds at 100 per second");
        assert_eq!((deadline(false, 800, 4_000), deadline(false, 800, 7_000)), (None, None));
        assert_eq!(deadline(true, 800, 10_000), Some(15_000), "six seconds of the backend's");
        assert_eq!(deadline(true, 900, 11_000), Some(16_000));
        assert!(deadline(true, u64::MAX, 12_000).is_some(), "no overflow");
    }
}
