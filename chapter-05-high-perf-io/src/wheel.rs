//! Deadlines by the ten thousand: a hierarchical timing wheel.
//!
//! Every connection has a deadline, nearly all deadlines are moved before they pass, and a sorted collection would
//! search for each move. A wheel files a timer in the slot of the tick in which it is due: arming, moving and disarming
//! take a few instructions, however many timers there are. Four levels of 64 slots turn at a 64th of each other's
//! speed, as the hands of a clock: 4 ms a slot, then 256 ms, 16 s, 17 min. A timer cascades to a faster level when its
//! slot is due.
//!
//! Invariants: a timer fires once, never early, and at most a tick late. Sans-IO: `now` is an argument. The scheme is
//! that of Varghese and Lauck (1987); the Linux kernel and tokio use it, so chapter 6 has one too.

use std::time::{Duration, Instant};

/// The resolution. Every deadline of a proxy is several ticks long, and none has to be met to the millisecond.
pub const TICK: Duration = Duration::from_nanos(TICK_NANOS);
const TICK_NANOS: u64 = 4_000_000;
const LEVELS: usize = 4;
const BITS_PER_LEVEL: u32 = 6;
const SLOTS_PER_LEVEL: usize = 1 << BITS_PER_LEVEL;
const NIL: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

/// Timers, each with an id that the caller chooses. Ids should be small: they index a table.
#[derive(Debug)]
pub struct Wheel {
    origin: Instant,
    /// The tick up to which all timers have fired.
    elapsed: u64,
    /// One bit per slot that is not empty.
    occupied: [u64; LEVELS],
    /// The first timer of each slot's list.
    heads: [[u32; SLOTS_PER_LEVEL]; LEVELS],
    timers: Vec<Timer>,
}

/// A node in its slot's list. The lists link entries of the table, so that no list allocates.
#[derive(Debug, Clone, Copy)]
struct Timer {
    due: u64,
    slot: Slot,
    previous: u32,
    next: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    level: u8,
    index: u8,
}

const UNARMED: Timer = Timer { due: NEVER, slot: Slot { level: 0, index: 0 }, previous: NIL, next: NIL };

/// A slot that is not empty, and the tick at which it is due.
#[derive(Debug, Clone, Copy)]
struct NextSlot {
    slot: Slot,
    tick: u64,
}

impl Wheel {
    /// A wheel that starts at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            elapsed: 0,
            occupied: [0; LEVELS],
            heads: [[NIL; SLOTS_PER_LEVEL]; LEVELS],
            timers: Vec::new(),
        }
    }

    /// Arms the timer `id` for `at`, or moves it there. A time in the past means the next tick.
    pub fn arm(&mut self, id: u32, at: Instant) {
        let index = id as usize;
        if index >= self.timers.len() {
            self.timers.resize(index + 1, UNARMED);
        }
        self.unlink(id);
        self.timers[index].due = self.tick_ceil(at).max(self.elapsed + 1);
        self.link(id);
    }

    /// Disarms the timer, if it is armed.
    pub fn disarm(&mut self, id: u32) {
        if (id as usize) < self.timers.len() {
            self.unlink(id);
            self.timers[id as usize].due = NEVER;
        }
    }

    /// When the timer `id` fires, if it is armed.
    pub fn due(&self, id: u32) -> Option<Instant> {
        let timer = self.timers.get(id as usize).filter(|timer| timer.due != NEVER)?;
        Some(self.instant_of(timer.due))
    }

    /// When to call [`expire`](Self::expire) next: not later than the first timer is due, perhaps earlier. `None`: no
    /// timer is armed.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.next_slot().map(|next| self.instant_of(next.tick))
    }

    // ANCHOR: expire
    /// Returns a timer that is due at `now`, and disarms it. Call it until it returns `None`.
    pub fn expire(&mut self, now: Instant) -> Option<u32> {
        let now = self.tick_floor(now);
        while let Some(NextSlot { slot, tick }) = self.next_slot().filter(|next| next.tick <= now) {
            self.elapsed = tick;
            if slot.level == 0 {
                let id = *self.head(slot);
                self.disarm(id);
                return Some(id);
            }
            self.cascade(slot);
        }
        self.elapsed = self.elapsed.max(now);
        None
    }
    // ANCHOR_END: expire

    /// The slot of a slow level is due: all its timers move to faster levels. All at once: a timer left here would be
    /// overlooked in favour of one that is due later in a faster level.
    fn cascade(&mut self, slot: Slot) {
        while let id = *self.head(slot)
            && id != NIL
        {
            self.unlink(id);
            self.link(id);
        }
    }

    // ANCHOR: file
    /// The slot for a timer that is due at this tick: in the fastest level that does not wrap before.
    fn slot_for(&self, due: u64) -> Slot {
        let slowest = level_shift(LEVELS - 1);
        // Beyond one turn of the slowest level, the timer waits in that level's last slot, and is filed again from
        // there.
        let filed = due.min(((self.elapsed >> slowest) + SLOTS_PER_LEVEL as u64 - 1) << slowest);
        let highest_difference = ((filed ^ self.elapsed) | 1).ilog2();
        let level = (highest_difference / BITS_PER_LEVEL).min(level_shift(LEVELS - 1) / BITS_PER_LEVEL);
        Slot { level: to_u8(level.into()), index: to_u8((filed >> (level * BITS_PER_LEVEL)) % SLOTS_PER_LEVEL as u64) }
    }
    // ANCHOR_END: file

    /// The first slot that is not empty: timers in a fast level are due before all timers in slower levels.
    fn next_slot(&self) -> Option<NextSlot> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let here = self.elapsed >> level_shift(level);
        let ahead = self.occupied[level].rotate_right(u32::from(to_u8(here % SLOTS_PER_LEVEL as u64))).trailing_zeros();
        let next = here + u64::from(ahead);
        let slot = Slot { level: to_u8(level as u64), index: to_u8(next % SLOTS_PER_LEVEL as u64) };
        Some(NextSlot { slot, tick: next << level_shift(level) })
    }

    fn head(&mut self, slot: Slot) -> &mut u32 {
        &mut self.heads[usize::from(slot.level)][usize::from(slot.index)]
    }

    fn link(&mut self, id: u32) {
        let due = self.timers[id as usize].due;
        let slot = self.slot_for(due);
        let next = std::mem::replace(self.head(slot), id);
        if next != NIL {
            self.timers[next as usize].previous = id;
        }
        self.occupied[usize::from(slot.level)] |= 1 << slot.index;
        self.timers[id as usize] = Timer { due, slot, previous: NIL, next };
    }

    /// Removes a timer from its slot's list, if it is in one.
    fn unlink(&mut self, id: u32) {
        let Timer { due, slot, previous, next } = self.timers[id as usize];
        if due == NEVER {
            return;
        }
        if next != NIL {
            self.timers[next as usize].previous = previous;
        }
        if previous != NIL {
            self.timers[previous as usize].next = next;
            return;
        }
        *self.head(slot) = next;
        if next == NIL {
            self.occupied[usize::from(slot.level)] &= !(1 << slot.index);
        }
    }

    /// Rounded up: a timer must never fire early.
    fn tick_ceil(&self, at: Instant) -> u64 {
        self.nanos(at).div_ceil(TICK_NANOS)
    }

    fn tick_floor(&self, at: Instant) -> u64 {
        self.nanos(at) / TICK_NANOS
    }

    fn nanos(&self, at: Instant) -> u64 {
        // Five centuries fit; a later time counts as never.
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(NEVER - 1)
    }

    fn instant_of(&self, tick: u64) -> Instant {
        self.origin + Duration::from_nanos(tick.saturating_mul(TICK_NANOS))
    }
}

/// How many low bits of a tick the levels below this one distinguish.
fn level_shift(level: usize) -> u32 {
    BITS_PER_LEVEL * u32::from(to_u8(level as u64))
}

#[expect(clippy::cast_possible_truncation, reason = "levels and slots are below 64")]
fn to_u8(number: u64) -> u8 {
    number as u8
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use common::clock::now;
    use proptest::prelude::*;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn fires_in_its_tick_and_once() {
        let start = now();
        let mut wheel = Wheel::new(start);
        wheel.arm(7, start + ms(10));
        assert_eq!(wheel.expire(start + ms(11)), None, "not early");
        assert_eq!(wheel.expire(start + ms(12)), Some(7));
        assert_eq!(wheel.expire(start + ms(900)), None);
        assert!(wheel.next_wakeup().is_none() && wheel.due(7).is_none());
    }

    #[test]
    fn rearms_and_disarms() {
        let start = now();
        let mut wheel = Wheel::new(start);
        for id in 0..3 {
            wheel.arm(id, start + ms(20));
        }
        wheel.arm(1, start + ms(5_000));
        wheel.disarm(0);
        wheel.disarm(99);
        assert_eq!(wheel.expire(start + ms(4_000)), Some(2));
        assert_eq!(wheel.expire(start + ms(4_000)), None);
        assert_eq!(wheel.expire(start + ms(5_000)), Some(1));
    }

    #[test]
    fn a_past_deadline_fires_on_the_next_tick() {
        let start = now();
        let mut wheel = Wheel::new(start);
        assert_eq!(wheel.expire(start + ms(400)), None);
        wheel.arm(0, start);
        assert_eq!(wheel.expire(start + ms(404)), Some(0));
    }

    #[test]
    fn a_deadline_one_month_ahead_fires_on_time() {
        let start = now();
        let mut wheel = Wheel::new(start);
        let month = Duration::from_hours(30 * 24);
        wheel.arm(0, start + month);
        let (mut wakeups, mut at) = (0, start);
        let fired = loop {
            at = at.max(wheel.next_wakeup().unwrap());
            wakeups += 1;
            if wheel.expire(at).is_some() {
                break at;
            }
        };
        assert!((month..=month + TICK).contains(&(fired - start)), "{:?}", fired - start);
        assert!(wakeups < 50, "{wakeups} wakeups for one timer");
    }

    #[derive(Debug, Clone, Copy)]
    enum Op {
        Arm(u32, u64),
        Disarm(u32),
        Advance(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        // Near, a few seconds, hours, beyond one turn of the slowest level.
        let millis = || prop_oneof![0..300u64, 0..40_000u64, 0..20_000_000u64, 0..200_000_000u64];
        prop_oneof![
            4 => (0..20u32, millis()).prop_map(|(id, millis)| Op::Arm(id, millis)),
            1 => (0..20u32).prop_map(Op::Disarm),
            4 => millis().prop_map(Op::Advance),
        ]
    }

    proptest! {
        #[test]
        fn every_timer_fires_once_within_a_tick_and_never_early(ops in prop::collection::vec(op(), 1..80)) {
            let start = now();
            let (mut wheel, mut armed) = (Wheel::new(start), BTreeMap::new());
            let mut at = start;
            for op in ops {
                match op {
                    Op::Arm(id, millis) => {
                        wheel.arm(id, at + ms(millis));
                        armed.insert(id, at + ms(millis));
                    }
                    Op::Disarm(id) => {
                        wheel.disarm(id);
                        armed.remove(&id);
                    }
                    Op::Advance(millis) => {
                        at += ms(millis);
                        while let Some(id) = wheel.expire(at) {
                            let due = armed.remove(&id);
                            prop_assert!(due.is_some_and(|due| due <= at), "{id} was due at {due:?}");
                        }
                        let late = armed.values().find(|due| **due + 2 * TICK < at);
                        prop_assert!(late.is_none(), "{late:?} at {at:?}");
                    }
                }
                let first = armed.values().min();
                let wakes = wheel.next_wakeup();
                prop_assert_eq!(first.is_none(), wakes.is_none());
                prop_assert!(wakes.zip(first).is_none_or(|(wakes, first)| wakes <= *first + 2 * TICK));
            }
        }
    }
}
