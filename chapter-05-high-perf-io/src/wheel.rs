//! Deadlines by the ten thousand: a hierarchical timing wheel.
//!
//! Every connection has a deadline, nearly all are moved before they pass, and a sorted collection would pay a search
//! for each move. A wheel files a timer under the tick in which it is due: to arm, to move and to disarm are a few
//! instructions, however many there are. Four wheels of 64 slots turn at a 64th of each other's speed, as the hands of
//! a clock: 4 ms a slot, then 256 ms, 16 s, 17 min. A timer in a slow wheel drops into a faster one when its slot comes.
//!
//! Invariants: a timer fires once, never early, and at most a tick late. Sans-IO: `now` is an argument. The scheme is
//! that of Varghese and Lauck (1987); the Linux kernel and tokio use it, so chapter 6 has one too.

use std::time::{Duration, Instant};

/// How exact it is. No deadline of a proxy is shorter than some ticks, and none needs to be met to the millisecond.
pub const TICK: Duration = Duration::from_nanos(TICK_NANOS);
const TICK_NANOS: u64 = 4_000_000;
const LEVELS: usize = 4;
const BITS_PER_LEVEL: u32 = 6;
const SLOTS_PER_LEVEL: usize = 1 << BITS_PER_LEVEL;
const NIL: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

/// Timers, each known by a number that the owner chooses: small numbers, for they are places in a table.
#[derive(Debug)]
pub struct Wheel {
    origin: Instant,
    /// The tick up to which all timers have fired.
    elapsed: u64,
    /// A bit for each slot that is not empty.
    occupied: [u64; LEVELS],
    /// The first timer of each slot's list.
    heads: [[u32; SLOTS_PER_LEVEL]; LEVELS],
    timers: Vec<Timer>,
}

/// A link of its slot's list. The lists run through the table, so that none is ever allocated.
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

/// A slot that is not empty, and the tick at which it comes.
#[derive(Debug, Clone, Copy)]
struct NextSlot {
    slot: Slot,
    tick: u64,
}

impl Wheel {
    /// A wheel that begins to turn at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            elapsed: 0,
            occupied: [0; LEVELS],
            heads: [[NIL; SLOTS_PER_LEVEL]; LEVELS],
            timers: Vec::new(),
        }
    }

    /// Arms the timer `id` for `at`, or moves it there. A time that has passed means the next tick.
    pub fn arm(&mut self, id: u32, at: Instant) {
        let place = id as usize;
        if place >= self.timers.len() {
            self.timers.resize(place + 1, UNARMED);
        }
        self.unlink(id);
        self.timers[place].due = self.tick_ceil(at).max(self.elapsed + 1);
        self.link(id);
    }

    /// Takes the timer back, if it is armed.
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

    /// When to look again: not after the first timer is due, though it may be before. `None`: nothing is armed.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.next_slot().map(|coming| self.instant_of(coming.tick))
    }

    // ANCHOR: expire
    /// Gives a timer that is due at `now`, and disarms it; to be called until there is none.
    pub fn expire(&mut self, now: Instant) -> Option<u32> {
        let now = self.tick_floor(now);
        while let Some(NextSlot { slot, tick }) = self.next_slot().filter(|coming| coming.tick <= now) {
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

    /// The slot of a slow wheel has come: all that is in it belongs into faster ones now. All at once, or what is left
    /// here would be overlooked for what is due later in a faster one.
    fn cascade(&mut self, slot: Slot) {
        while let id = *self.head(slot)
            && id != NIL
        {
            self.unlink(id);
            self.link(id);
        }
    }

    // ANCHOR: file
    /// The slot for what is due at this tick: in the fastest wheel that does not come round before.
    fn slot_for(&self, due: u64) -> Slot {
        let slowest = level_shift(LEVELS - 1);
        // Beyond a turn of the slowest wheel it waits in that wheel's last slot, and is filed again when this comes.
        let filed = due.min(((self.elapsed >> slowest) + SLOTS_PER_LEVEL as u64 - 1) << slowest);
        let highest_difference = ((filed ^ self.elapsed) | 1).ilog2();
        let level = (highest_difference / BITS_PER_LEVEL).min(level_shift(LEVELS - 1) / BITS_PER_LEVEL);
        Slot { level: to_u8(level.into()), index: to_u8((filed >> (level * BITS_PER_LEVEL)) % SLOTS_PER_LEVEL as u64) }
    }
    // ANCHOR_END: file

    /// The first slot that is not empty: what is in a fast wheel is due before all that is in slower ones.
    fn next_slot(&self) -> Option<NextSlot> {
        let level = self.occupied.iter().position(|places| *places != 0)?;
        let here = self.elapsed >> level_shift(level);
        let ahead = self.occupied[level].rotate_right(u32::from(to_u8(here % SLOTS_PER_LEVEL as u64))).trailing_zeros();
        let comes = here + u64::from(ahead);
        let slot = Slot { level: to_u8(level as u64), index: to_u8(comes % SLOTS_PER_LEVEL as u64) };
        Some(NextSlot { slot, tick: comes << level_shift(level) })
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

    /// Takes it out of its slot's list; nothing if it is in none.
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

    /// Rounded up: to fire early would be to fire twice.
    fn tick_ceil(&self, at: Instant) -> u64 {
        self.nanos(at).div_ceil(TICK_NANOS)
    }

    fn tick_floor(&self, at: Instant) -> u64 {
        self.nanos(at) / TICK_NANOS
    }

    fn nanos(&self, at: Instant) -> u64 {
        // Five centuries fit; beyond that it is never.
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(NEVER - 1)
    }

    fn instant_of(&self, tick: u64) -> Instant {
        self.origin + Duration::from_nanos(tick.saturating_mul(TICK_NANOS))
    }
}

/// How many bits of a tick's number the wheels below this level tell apart.
fn level_shift(level: usize) -> u32 {
    BITS_PER_LEVEL * u32::from(to_u8(level as u64))
}

#[expect(clippy::cast_possible_truncation, reason = "levels and places are below 64")]
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
        let (mut looks, mut at) = (0, start);
        let fired = loop {
            at = at.max(wheel.next_wakeup().unwrap());
            looks += 1;
            if wheel.expire(at).is_some() {
                break at;
            }
        };
        assert!((month..=month + TICK).contains(&(fired - start)), "{:?}", fired - start);
        assert!(looks < 50, "it is looked at {looks} times");
    }

    #[derive(Debug, Clone, Copy)]
    enum Op {
        Arm(u32, u64),
        Disarm(u32),
        Advance(u64),
    }

    fn deed() -> impl Strategy<Value = Op> {
        // Near, a few seconds, hours, beyond a turn of the slowest wheel.
        let millis = || prop_oneof![0..300u64, 0..40_000u64, 0..20_000_000u64, 0..200_000_000u64];
        prop_oneof![
            4 => (0..20u32, millis()).prop_map(|(id, millis)| Op::Arm(id, millis)),
            1 => (0..20u32).prop_map(Op::Disarm),
            4 => millis().prop_map(Op::Advance),
        ]
    }

    proptest! {
        #[test]
        fn every_timer_fires_once_within_a_tick_and_never_early(deeds in prop::collection::vec(deed(), 1..80)) {
            let start = now();
            let (mut wheel, mut armed) = (Wheel::new(start), BTreeMap::new());
            let mut at = start;
            for deed in deeds {
                match deed {
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
