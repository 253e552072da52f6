//! The checks of exercise 6.2.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use common::clock::now;
use exercises_06::contracts::{Lease, Leases, Usage};
use integration_tests::rng::Rng;
use integration_tests::wait::{TEST_TIMEOUT, ms};

use crate::exercise_checks;

type New<L> = fn(usize, Duration) -> L;

exercise_checks!(
    exercises_06,
    e2_leases::leases,
    [
        all_slots_can_be_leased_and_no_more,
        a_leaked_lease_is_returned_once_by_expire,
        a_late_release_does_not_affect_the_next_lease,
        a_second_release_is_rejected,
        a_lease_expires_before_expire_is_called,
        a_leaked_slot_is_free_only_after_expire,
        renew_restarts_the_limit,
        a_limit_beyond_the_clock_is_no_limit,
        a_lease_that_was_never_issued_is_rejected,
        random_operations_agree_with_a_plain_list,
        a_hundred_thousand_leases_are_handled_quickly,
    ]
);

const LIMIT: Duration = ms(100);
const NONE: [Lease; 0] = [];

fn acquire(leases: &mut impl Leases, count: usize, at: Instant) -> Vec<Lease> {
    let held: Vec<_> = (0..count).map_while(|_| leases.acquire(at)).collect();
    assert_eq!(held.len(), count, "how many of {count} free slots were leased");
    held
}

/// All expired leases, in the order in which `expire` returns them.
fn expired(leases: &mut impl Leases, at: Instant) -> Vec<Lease> {
    std::iter::from_fn(|| leases.expire(at)).take(1_000).collect()
}

fn usage(in_use: usize, leaked: u64, rejected: u64) -> Usage {
    Usage { in_use, leaked, rejected }
}

fn all_slots_can_be_leased_and_no_more<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(3, LIMIT));
    assert_eq!((leases.usage(), leases.next(), leases.expire(start)), (usage(0, 0, 0), None, None), "none is leased");
    let held = acquire(&mut leases, 3, start);
    let slots: BTreeSet<_> = held.iter().map(|lease| lease.slot).collect();
    assert_eq!(slots, BTreeSet::from([0, 1, 2]), "the slots that were leased");
    assert_eq!((leases.acquire(start), leases.usage()), (None, usage(3, 0, 0)), "a fourth of three");
    assert!(leases.release(held[1], start + ms(5)), "it is released in time");
    let again = leases.acquire(start + ms(5)).expect("one is free");
    assert_eq!((again.slot, again == held[1]), (held[1].slot, false), "the slot that is free, and another lease");
    assert_eq!(leases.acquire(start + ms(5)), None, "a fourth of three");
    assert_eq!(new(0, LIMIT).acquire(start), None, "one of none");
}

fn a_leaked_lease_is_returned_once_by_expire<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(4, LIMIT));
    let held: Vec<_> = (0..4).map(|one| acquire(&mut leases, 1, start + ms(one * 10))[0]).collect();
    assert!(leases.release(held[1], start + ms(50)), "the second is released in time");
    assert_eq!(leases.next(), Some(start + ms(100)), "when the first lease expires");
    assert_eq!(expired(&mut leases, start + Duration::from_nanos(99_999_999)), NONE, "a nanosecond early");
    assert_eq!(expired(&mut leases, start + ms(100)), [held[0]], "the first has expired");
    assert_eq!(leases.next(), Some(start + ms(120)), "when the third lease expires");
    assert_eq!(expired(&mut leases, start + ms(500)), [held[2], held[3]], "the others, in order of expiry");
    assert_eq!((expired(&mut leases, start + ms(900)), leases.next()), (vec![], None), "each is returned once");
    assert_eq!(leases.usage(), usage(0, 3, 0), "three were never released");
    acquire(&mut leases, 4, start + ms(900));
    assert_eq!(leases.acquire(start + ms(900)), None, "each slot became free once: a fifth of four");
}

fn a_late_release_does_not_affect_the_next_lease<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(1, LIMIT));
    let late = acquire(&mut leases, 1, start)[0];
    assert_eq!(expired(&mut leases, start + ms(100)), [late], "it has expired");
    assert!(!leases.release(late, start + ms(101)), "released late, while the slot is free: rejected");
    let next = acquire(&mut leases, 1, start + ms(110))[0];
    assert!(!leases.release(late, start + ms(120)), "released late, while another lease has the slot: rejected");
    assert!(!leases.renew(late, start + ms(120)), "an expired lease is renewed: rejected");
    assert_eq!(
        (leases.acquire(start + ms(120)), leases.usage()),
        (None, usage(1, 1, 3)),
        "the next lease still has the slot"
    );
    assert_eq!(leases.next(), Some(start + ms(210)), "and its deadline is unchanged");
    assert!(leases.release(next, start + ms(130)), "the next lease is released in time");
}

fn a_second_release_is_rejected<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(1, LIMIT));
    let first = acquire(&mut leases, 1, start)[0];
    assert!(leases.release(first, start + ms(1)), "in time");
    assert!(!leases.release(first, start + ms(2)), "twice");
    assert!(!leases.renew(first, start + ms(2)), "renewed after it was released");
    let second = acquire(&mut leases, 1, start + ms(3))[0];
    assert!(!leases.release(first, start + ms(4)), "twice, while another lease has the slot");
    assert!(!leases.renew(first, start + ms(90)), "renewed while another lease has the slot");
    assert_eq!(
        (leases.acquire(start + ms(90)), leases.usage()),
        (None, usage(1, 0, 4)),
        "the second lease has the slot"
    );
    assert_eq!(expired(&mut leases, start + ms(103)), [second], "it expires at its own deadline");
}

fn a_lease_expires_before_expire_is_called<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(2, LIMIT));
    let held = acquire(&mut leases, 2, start);
    assert!(!leases.release(held[0], start + ms(100)), "released at the moment of expiry: rejected");
    assert!(!leases.renew(held[1], start + ms(100)), "renewed at the moment of expiry: rejected");
    let mut found = expired(&mut leases, start + ms(100));
    found.sort_unstable_by_key(|lease| held.iter().position(|one| one == lease));
    assert_eq!(found, held, "both are returned, despite the rejected calls");
    assert_eq!(leases.usage(), usage(0, 2, 2), "two leaks and two rejected calls");
}

fn a_leaked_slot_is_free_only_after_expire<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(1, LIMIT));
    let leak = acquire(&mut leases, 1, start)[0];
    assert_eq!(leases.acquire(start + ms(500)), None, "it has expired, but its connection is not closed yet");
    assert!(!leases.release(leak, start + ms(500)), "released late");
    assert_eq!((leases.acquire(start + ms(500)), leases.usage()), (None, usage(1, 0, 1)), "rejected: nothing changes");
    assert_eq!(leases.next(), Some(start + ms(100)), "`expire` has not returned it yet");
    assert_eq!(expired(&mut leases, start + ms(500)), [leak], "`expire` returns it");
    acquire(&mut leases, 1, start + ms(500));
}

fn renew_restarts_the_limit<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(2, LIMIT));
    let held = acquire(&mut leases, 2, start);
    for beat in 1..=50 {
        assert!(leases.renew(held[0], start + ms(beat * 60)), "renewed every 60 ms, time {beat}");
        let expected = if beat == 2 { vec![held[1]] } else { vec![] };
        assert_eq!(
            expired(&mut leases, start + ms(beat * 60)),
            expected,
            "which lease has expired after {} ms",
            beat * 60
        );
        let first = if beat == 1 { ms(100) } else { ms(beat * 60 + 100) };
        assert_eq!(leases.next(), Some(start + first), "when the next lease expires, after {} ms", beat * 60);
    }
    assert!(leases.release(held[0], start + ms(3_099)), "after three seconds, just before it expires");
    assert_eq!((leases.next(), leases.usage()), (None, usage(0, 1, 0)), "one was released, one leaked");
}

fn a_limit_beyond_the_clock_is_no_limit<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(2, Duration::MAX));
    let held = acquire(&mut leases, 2, start);
    let later = start + Duration::from_secs(1_000_000_000);
    assert!(leases.renew(held[0], later), "renewed after thirty years");
    assert_eq!((leases.next(), expired(&mut leases, later)), (None, vec![]), "no lease ever expires");
    assert!(leases.release(held[0], later) && leases.release(held[1], later), "released after thirty years");
    assert_eq!(leases.usage(), usage(0, 0, 0), "the counters then");
}

fn a_lease_that_was_never_issued_is_rejected<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(2, LIMIT));
    let real = acquire(&mut leases, 1, start)[0];
    for unknown in
        [Lease { slot: 2, ..real }, Lease { slot: usize::MAX, generation: 0 }, Lease { slot: 1 - real.slot, ..real }]
    {
        assert!(!leases.release(unknown, start), "{unknown:?} was never issued");
        assert!(!leases.renew(unknown, start), "{unknown:?} was never issued");
    }
    assert_eq!(leases.usage(), usage(1, 0, 6), "the counters then");
}

fn random_operations_agree_with_a_plain_list<L: Leases>(new: New<L>) {
    for seed in 0..400 {
        let (mut random, mut leases, mut at) = (Rng::new(seed), new(4, LIMIT), now());
        let (mut held, mut known, mut expected) = (HashMap::<Lease, Instant>::new(), Vec::new(), usage(0, 0, 0));
        for step in 0..300 {
            at += ms(random.below(30) as u64);
            match random.below(6) {
                0 | 1 => {
                    let lease = leases.acquire(at);
                    assert_eq!(lease.is_some(), held.len() < 4, "seed {seed}, step {step}: whether one is leased");
                    known.extend(lease);
                    let twice = lease.and_then(|lease| held.insert(lease, at + LIMIT));
                    assert_eq!(twice, None, "seed {seed}, step {step}: {lease:?} is leased already");
                }
                2 => {
                    while let Some(found) = leases.expire(at) {
                        let first = held.values().min().copied();
                        let expires_at = held.remove(&found);
                        assert!(
                            expires_at.is_some(),
                            "seed {seed}, step {step}: {found:?} is returned, but not leased"
                        );
                        assert!(
                            expires_at <= Some(at) && expires_at == first,
                            "seed {seed}, step {step}: {found:?} is not next"
                        );
                        expected.leaked += 1;
                    }
                    let missed = held.iter().find(|(_, expires_at)| **expires_at <= at);
                    assert_eq!(missed, None, "seed {seed}, step {step}: it has expired and is not returned");
                }
                operation if !known.is_empty() => {
                    let newest = known.len().saturating_sub(8);
                    let lease = *random.pick(&known[newest..]);
                    let is_valid = held.get(&lease).is_some_and(|expires_at| at < *expires_at);
                    let accepted = if operation == 3 { leases.renew(lease, at) } else { leases.release(lease, at) };
                    assert_eq!(
                        accepted, is_valid,
                        "seed {seed}, step {step}: {lease:?} is renewed (3) or released: {operation}"
                    );
                    expected.rejected += u64::from(!is_valid);
                    if is_valid && operation == 3 {
                        held.insert(lease, at + LIMIT);
                    } else if is_valid {
                        held.remove(&lease);
                    }
                }
                _ => {}
            }
            expected.in_use = held.len();
            assert_eq!(leases.usage(), expected, "seed {seed}: the counters after step {step}");
            assert_eq!(leases.next(), held.values().min().copied(), "seed {seed}: the next deadline after step {step}");
        }
    }
}

fn a_hundred_thousand_leases_are_handled_quickly<L: Leases>(new: New<L>) {
    const MANY: usize = 100_000;
    let (begun, start, mut random) = (now(), now(), Rng::new(1));
    let mut leases = new(MANY, Duration::from_mins(1));
    let assert_in_time = |what: &str, done: usize| {
        let took = begun.elapsed();
        assert!(took < TEST_TIMEOUT, "to {what} {done} of {MANY} leases should not take {took:?}");
    };
    let mut held = Vec::new();
    for done in 0..MANY {
        held.extend(leases.acquire(start));
        assert_in_time("acquire", done);
    }
    for beat in 0..200_000 {
        let at = start + Duration::from_micros(beat);
        assert!(leases.renew(*random.pick(&held), at), "it is leased");
        assert_eq!((leases.expire(at), leases.next().is_some()), (None, true), "none has expired, but one will");
        assert_in_time("renew", usize::try_from(beat).unwrap());
    }
    for (done, lease) in held.iter().enumerate().skip(MANY / 2) {
        assert!(leases.release(*lease, start + ms(900)), "it is leased");
        assert_in_time("release", done);
    }
    let found =
        std::iter::from_fn(|| leases.expire(start + Duration::from_secs(90))).inspect(|_| assert_in_time("find", 0));
    assert_eq!(found.count(), MANY / 2, "how many were never released");
}
