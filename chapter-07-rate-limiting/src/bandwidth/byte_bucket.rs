//! A token bucket of bytes that delays instead of refusing.
//!
//! It is [`token_bucket`](crate::algorithm::token_bucket) with another answer to a request that comes too early: not "no", but
//! "from then on". The word is the same, the time since which the bucket has been filling. A reservation moves it on by
//! the time in which its bytes arrive, also beyond now; then the bytes may be moved when that time has come. So those
//! who share a bucket queue in it, in the order in which they came, and each has its turn without asking again. This is
//! nginx's `limit_req` without `nodelay`, in bytes.

use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use common::http::Reservation;

use crate::ticks::Ticks;

/// The most that is reserved at once, in time at the rate: so a connection that is limited is woken at most forty times
/// a second, and others have their turn in between. At 64 KiB/s this is 1,638 bytes, one segment.
const MAX_RESERVATION: Duration = Duration::from_millis(25);
/// What the bucket holds: what is moved at once after a pause, and by how much a connection may be woken late without
/// losing rate. Timers are late by a millisecond, and on a busy machine by twenty. A larger one would let bursts
/// through.
const CAPACITY: Duration = Duration::from_millis(50);
/// No pause is shorter. At 100 MiB/s, 64 KiB come in 0.6 ms, and a wake-up for each of them would cost more than
/// moving them; what comes meanwhile is in the bucket.
const MIN_PAUSE: Duration = Duration::from_millis(5);

/// A rate in bytes, for any number of buckets. Each is one word, 0 for one that was never used.
#[derive(Debug)]
pub struct ByteBucket {
    epoch: Instant,
    bytes_per_second: NonZeroU64,
    max_reservation: usize,
}

impl ByteBucket {
    /// Buckets that fill at this rate. No `now` is earlier than `epoch`.
    pub fn new(bytes_per_second: NonZeroU64, epoch: Instant) -> Self {
        let most = u128::from(bytes_per_second.get()) * MAX_RESERVATION.as_micros() / 1_000_000;
        let max_reservation = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        Self { epoch, bytes_per_second, max_reservation }
    }

    // ANCHOR: reserve
    /// Reserves up to `wanted` bytes, at least one: now, if the bucket has them all, or else for later.
    pub fn reserve(&self, empty_at: &AtomicU64, wanted: usize, now: Instant) -> Reservation {
        let bytes = wanted.clamp(1, self.max_reservation);
        let (now_ticks, span) = (Ticks::from(now.saturating_duration_since(self.epoch)).0, self.span(bytes));
        let full_at = now_ticks.saturating_sub(Ticks::from(CAPACITY).0);
        let take = |empty_at: u64| empty_at.max(full_at).saturating_add(span);
        let before = empty_at.fetch_update(Relaxed, Relaxed, |word| Some(take(word))).unwrap_or_else(|word| word);
        let there_at = take(before);
        if there_at <= now_ticks {
            return Reservation { bytes, at: now };
        }
        let at = self.epoch + Ticks(there_at).to_duration();
        Reservation { bytes, at: at.max(now + MIN_PAUSE) }
    }
    // ANCHOR_END: reserve

    /// Gives back all but `moved` bytes of a reservation.
    pub fn give_back(&self, empty_at: &AtomicU64, reserved: usize, moved: usize) {
        let span = self.span(reserved).saturating_sub(self.span(moved));
        let _ = empty_at.fetch_update(Relaxed, Relaxed, |word| Some(word.saturating_sub(span)));
    }

    /// Takes again what was given back.
    pub(super) fn take_back(&self, empty_at: &AtomicU64, reserved: usize, moved: usize) {
        let span = self.span(reserved).saturating_sub(self.span(moved));
        let _ = empty_at.fetch_update(Relaxed, Relaxed, |word| Some(word.saturating_add(span)));
    }

    /// Whether the bucket is full, as a new one is.
    pub fn is_idle(&self, empty_at: &AtomicU64, now: Instant) -> bool {
        let full_at = Ticks::from(now.saturating_duration_since(self.epoch)).0.saturating_sub(Ticks::from(CAPACITY).0);
        empty_at.load(Relaxed) <= full_at
    }

    /// The time in which so many bytes arrive, rounded up so that the limit holds.
    fn span(&self, bytes: usize) -> u64 {
        let per_second = u128::from(Ticks::from(Duration::from_secs(1)).0);
        let span = (bytes as u128 * per_second).div_ceil(self.bytes_per_second.get().into());
        u64::try_from(span).unwrap_or(u64::MAX)
    }
}
