//! How long a backend keeps an idle connection open, as far as we know.
//!
//! When you need it: a backend may close an idle connection at the moment a request is sent over it. A GET is then sent
//! again; a POST is lost, because there is no way to know whether it was executed. A fixed limit helps only against
//! backends that wait for longer. Some close at once, without announcing it in the response.
//!
//! So each backend is believed in what it announces (`Keep-Alive: timeout=5`, RFC 2068 §19.7.1.1; Node sends it) less a
//! second, and a request that must not be repeated also asks for proof: connections to this backend have been found
//! open several times in a row, and one of them after an idle time at least as long. What is left is a client that
//! pauses for as long as the backend waits, to within a round trip. Only such requests collect proof, so a GET costs
//! one atomic load. Go's `http.Transport` and nginx send a POST over any idle connection, and may lose it.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// How often in a row a connection must be found open at first. A backend that closes right after its response is
/// caught each time, except while its FIN is still in flight.
const MIN_SURVIVALS: u32 = 5;
/// Each time that a backend closes before it has proved itself, the proof takes twice as long, up to this.
const MAX_SURVIVALS: u32 = 1024;
/// A response announces a timeout when it is sent, and our clock starts when it has arrived; then the request is on its
/// way.
const SAFETY_MARGIN: Duration = Duration::from_secs(1);

/// What is known about the idle connections of one backend. The times are in whole milliseconds: shorter ones are those
/// of a client that sends one request after the other, and differ by chance.
#[derive(Debug)]
pub struct KeepAlive {
    /// The announced timeout in seconds; 0 if there is none.
    timeout: AtomicU32,
    /// How often in a row a connection was found open.
    survivals: AtomicU32,
    required_survivals: AtomicU32,
    /// The longest idle time that a connection has survived, rounded up.
    survived_ms: AtomicU32,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            timeout: AtomicU32::new(0),
            survivals: AtomicU32::new(0),
            required_survivals: AtomicU32::new(MIN_SURVIVALS),
            survived_ms: AtomicU32::new(0),
        }
    }
}

impl KeepAlive {
    /// Whether a request may use a connection that has been idle for `idle_for` and is still open.
    pub fn allows_reuse(&self, idle_for: Duration, idempotent: bool) -> bool {
        if self.max_idle().is_some_and(|limit| idle_for >= limit) {
            return false;
        }
        idempotent || self.record_survival(idle_for)
    }

    /// How long a connection may be idle at most; `None` if the backend has announced no limit.
    pub fn max_idle(&self) -> Option<Duration> {
        match self.timeout.load(Relaxed) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into()).saturating_sub(SAFETY_MARGIN)),
        }
    }

    /// Records the timeout in seconds that a response announced. One without it changes nothing: some servers leave it
    /// out of error responses.
    pub fn set_timeout(&self, timeout: Option<u32>) {
        if let Some(timeout) = timeout
            && self.timeout.load(Relaxed) != timeout
        {
            self.timeout.store(timeout, Relaxed);
        }
    }

    /// Records that a connection was found open, and returns whether that was to be expected.
    fn record_survival(&self, idle_for: Duration) -> bool {
        let idle_ms = u32::try_from(idle_for.as_micros().div_ceil(1_000)).unwrap_or(u32::MAX);
        let survived = self.survived_ms.fetch_max(idle_ms, Relaxed);
        if self.has_proved_itself() {
            return idle_ms <= survived;
        }
        self.survivals.fetch_add(1, Relaxed);
        false
    }

    /// Records that the backend has closed a connection that had been idle for at most `idle_for`.
    pub fn record_close(&self, idle_for: Duration) {
        let idle_ms = u32::try_from(idle_for.as_millis() / 2).unwrap_or(u32::MAX);
        if self.survived_ms.fetch_min(idle_ms, Relaxed) <= idle_ms {
            return; // later than what is relied on
        }
        let survivals = self.survivals.swap(0, Relaxed);
        if survivals == 0 {
            return; // one more connection of a backend that has restarted: all of them close
        }
        let required = self.required_survivals.load(Relaxed);
        let last = if survivals >= required { MIN_SURVIVALS } else { required };
        self.required_survivals.store((2 * last).min(MAX_SURVIVALS), Relaxed);
    }

    fn has_proved_itself(&self) -> bool {
        self.survivals.load(Relaxed) >= self.required_survivals.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// How many of a thousand POSTs need a new connection, if each finds one that has been idle for so long.
    fn fresh_connections(keep_alive: &KeepAlive, idle_for: impl Fn(u64) -> Duration) -> usize {
        (0..1_000).filter(|turn| !keep_alive.allows_reuse(idle_for(*turn), false)).count()
    }

    #[test]
    fn a_steady_backend_has_to_prove_itself_a_few_times() {
        let keep_alive = KeepAlive::default();
        assert_eq!(fresh_connections(&keep_alive, |turn| ms(3 + turn * 7 % 5)), 5);
        assert!(!keep_alive.allows_reuse(ms(20), false), "none has survived that yet");
        assert!(keep_alive.allows_reuse(ms(20), false));
        assert!(keep_alive.allows_reuse(Duration::from_hours(1), true), "a GET can be sent again");
    }

    #[test]
    fn a_backend_that_closes_at_once_never_proves_itself() {
        let keep_alive = KeepAlive::default();
        for turn in 0..1_000 {
            // Its FIN is late a few times, and once in a while very often.
            let late = if turn % 100 == 99 { 100 } else { 4 };
            (0..late).for_each(|_| assert!(!keep_alive.allows_reuse(ms(1), false), "{turn}"));
            keep_alive.record_close(ms(1));
        }
    }

    #[test]
    fn a_backend_that_restarts_proves_itself_again_soon() {
        let keep_alive = KeepAlive::default();
        for _ in 0..20 {
            fresh_connections(&keep_alive, |_| ms(600));
            // All of its idle connections, in any order of their idle times.
            (0..1_000).for_each(|turn| keep_alive.record_close(ms(turn * 389 % 1_000)));
            assert_eq!(fresh_connections(&keep_alive, |_| ms(600)), 10);
        }
    }

    #[test]
    fn a_close_after_a_long_time_says_nothing_about_short_ones() {
        let keep_alive = KeepAlive::default();
        fresh_connections(&keep_alive, |_| ms(1_000));
        keep_alive.record_close(ms(5_000));
        assert!(keep_alive.allows_reuse(ms(1_000), false));
        keep_alive.record_close(ms(1_500));
        assert!(!keep_alive.allows_reuse(ms(100), false));
    }

    #[test]
    fn an_announced_timeout_holds_for_every_request() {
        let keep_alive = KeepAlive::default();
        keep_alive.set_timeout(Some(5));
        assert!(keep_alive.allows_reuse(ms(3_999), true) && !keep_alive.allows_reuse(ms(4_000), true));
        fresh_connections(&keep_alive, |_| ms(3_999));
        assert!(keep_alive.allows_reuse(ms(3_999), false) && !keep_alive.allows_reuse(ms(4_000), false));
        keep_alive.set_timeout(None);
        assert!(!keep_alive.allows_reuse(ms(60_000), true));
    }
}
