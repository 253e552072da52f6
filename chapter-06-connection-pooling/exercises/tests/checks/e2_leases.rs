//! The checks of exercise 6.2.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use common::clock::now;
use exercises_06::contracts::{Lease, Leases, Usage};
use integration_tests::exercise_checks;
use integration_tests::rng::Rng;
use integration_tests::wait::{TEST_TIMEOUT, ms};

type New<L> = fn(usize, Duration) -> L;

exercise_checks!(
    exercises_06,
    e2_leases::leases,
    [
        all_slots_can_be_lent_and_no_more,
        a_leaked_lease_is_returned_once_by_expire,
        a_late_give_back_does_not_affect_the_next_lease,
        a_second_give_back_is_rejected,
        a_lease_expires_before_expire_is_called,
        a_leaked_slot_is_free_only_after_expire,
        renew_restarts_the_limit,
        a_limit_beyond_the_clock_is_no_limit,
        a_lease_that_was_never_issued_is_rejected,
        any_operations_agree_with_a_plain_list,
        a_hundred_thousand_leases_are_handled_quickly,
    ]
);

const LIMIT: Duration = ms(100);
const NONE: [Lease; 0] = [];

fn lend(leases: &mut impl Leases, count: usize, at: Instant) -> Vec<Lease> {
    let lent: Vec<_> = (0..count).map_while(|_| leases.lend(at)).collect();
    assert_eq!(lent.len(), count, "how many of {count} free slots were lent");
    lent
}

/// All expired leases, in the order in which `expire` returns them.
fn expired(leases: &mut impl Leases, at: Instant) -> Vec<Lease> {
    std::iter::from_fn(|| leases.expire(at)).take(1_000).collect()
}

fn usage(lent: usize, leaked: u64, refused: u64) -> Usage {
    Usage { lent, leaked, refused }
}

fn all_slots_can_be_lent_and_no_more<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(3, LIMIT));
    assert_eq!((leases.usage(), leases.next(), leases.expire(start)), (usage(0, 0, 0), None, None), "none is lent");
    let lent = lend(&mut leases, 3, start);
    let slots: BTreeSet<_> = lent.iter().map(|lease| lease.slot).collect();
    assert_eq!(slots, BTreeSet::from([0, 1, 2]), "the slots that were lent");
    assert_eq!((leases.lend(start), leases.usage()), (None, usage(3, 0, 0)), "a fourth of three");
    assert!(leases.give_back(lent[1], start + ms(5)), "it is given back in time");
    let again = leases.lend(start + ms(5)).expect("one is free");
    assert_eq!((again.slot, again == lent[1]), (lent[1].slot, false), "the slot that is free, and another lease");
    assert_eq!(leases.lend(start + ms(5)), None, "a fourth of three");
    assert_eq!(new(0, LIMIT).lend(start), None, "one of none");
}

fn a_leaked_lease_is_returned_once_by_expire<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(4, LIMIT));
    let lent: Vec<_> = (0..4).map(|one| lend(&mut leases, 1, start + ms(one * 10))[0]).collect();
    assert!(leases.give_back(lent[1], start + ms(50)), "the second is given back in time");
    assert_eq!(leases.next(), Some(start + ms(100)), "when the first lease expires");
    assert_eq!(expired(&mut leases, start + Duration::from_nanos(99_999_999)), NONE, "a nanosecond early");
    assert_eq!(expired(&mut leases, start + ms(100)), [lent[0]], "the first has expired");
    assert_eq!(leases.next(), Some(start + ms(120)), "when the third lease expires");
    assert_eq!(expired(&mut leases, start + ms(500)), [lent[2], lent[3]], "the others, in order of expiry");
    assert_eq!((expired(&mut leases, start + ms(900)), leases.next()), (vec![], None), "each is returned once");
    assert_eq!(leases.usage(), usage(0, 3, 0), "three were never given back");
    lend(&mut leases, 4, start + ms(900));
    assert_eq!(leases.lend(start + ms(900)), None, "each slot became free once: a fifth of four");
}

fn a_late_give_back_does_not_affect_the_next_lease<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(1, LIMIT));
    let late = lend(&mut leases, 1, start)[0];
    assert_eq!(expired(&mut leases, start + ms(100)), [late], "it has expired");
    assert!(!leases.give_back(late, start + ms(101)), "given back late, while the slot is free: rejected");
    let next = lend(&mut leases, 1, start + ms(110))[0];
    assert!(!leases.give_back(late, start + ms(120)), "given back late, while another lease has the slot: rejected");
    assert!(!leases.renew(late, start + ms(120)), "an expired lease is renewed: rejected");
    assert_eq!(
        (leases.lend(start + ms(120)), leases.usage()),
        (None, usage(1, 1, 3)),
        "the next lease still has the slot"
    );
    assert_eq!(leases.next(), Some(start + ms(210)), "and its deadline is unchanged");
    assert!(leases.give_back(next, start + ms(130)), "the next lease is given back in time");
}

fn a_second_give_back_is_rejected<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(1, LIMIT));
    let first = lend(&mut leases, 1, start)[0];
    assert!(leases.give_back(first, start + ms(1)), "in time");
    assert!(!leases.give_back(first, start + ms(2)), "twice");
    assert!(!leases.renew(first, start + ms(2)), "renewed after it was given back");
    let second = lend(&mut leases, 1, start + ms(3))[0];
    assert!(!leases.give_back(first, start + ms(4)), "twice, while another lease has the slot");
    assert!(!leases.renew(first, start + ms(90)), "renewed while another lease has the slot");
    assert_eq!((leases.lend(start + ms(90)), leases.usage()), (None, usage(1, 0, 4)), "the second lease has the slot");
    assert_eq!(expired(&mut leases, start + ms(103)), [second], "it expires at its own deadline");
}

fn a_lease_expires_before_expire_is_called<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(2, LIMIT));
    let lent = lend(&mut leases, 2, start);
    assert!(!leases.give_back(lent[0], start + ms(100)), "given back at the moment of expiry: rejected");
    assert!(!leases.renew(lent[1], start + ms(100)), "renewed at the moment of expiry: rejected");
    let mut found = expired(&mut leases, start + ms(100));
    found.sort_unstable_by_key(|lease| lent.iter().position(|one| one == lease));
    assert_eq!(found, lent, "both are returned, despite the rejected calls");
    assert_eq!(leases.usage(), usage(0, 2, 2), "two leaks and two rejected calls");
}

fn a_leaked_slot_is_free_only_after_expire<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(1, LIMIT));
    let leak = lend(&mut leases, 1, start)[0];
    assert_eq!(leases.lend(start + ms(500)), None, "it has expired, but its connection is not closed yet");
    assert!(!leases.give_back(leak, start + ms(500)), "given back late");
    assert_eq!((leases.lend(start + ms(500)), leases.usage()), (None, usage(1, 0, 1)), "rejected: nothing changes");
    assert_eq!(leases.next(), Some(start + ms(100)), "`expire` has not returned it yet");
    assert_eq!(expired(&mut leases, start + ms(500)), [leak], "`expire` returns it");
    lend(&mut leases, 1, start + ms(500));
}

fn renew_restarts_the_limit<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(2, LIMIT));
    let lent = lend(&mut leases, 2, start);
    for beat in 1..=50 {
        assert!(leases.renew(lent[0], start + ms(beat * 60)), "renewed every 60 ms, time {beat}");
        let expected = if beat == 2 { vec![lent[1]] } else { vec![] };
        assert_eq!(
            expired(&mut leases, start + ms(beat * 60)),
            expected,
            "which lease has expired after {} ms",
            beat * 60
        );
        let first = if beat == 1 { ms(100) } else { ms(beat * 60 + 100) };
        assert_eq!(leases.next(), Some(start + first), "when the next lease expires, after {} ms", beat * 60);
    }
    assert!(leases.give_back(lent[0], start + ms(3_099)), "after three seconds, just before it expires");
    assert_eq!((leases.next(), leases.usage()), (None, usage(0, 1, 0)), "one was given back, one leaked");
}

fn a_limit_beyond_the_clock_is_no_limit<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(2, Duration::MAX));
    let lent = lend(&mut leases, 2, start);
    let later = start + Duration::from_secs(1_000_000_000);
    assert!(leases.renew(lent[0], later), "renewed after thirty years");
    assert_eq!((leases.next(), expired(&mut leases, later)), (None, vec![]), "no lease ever expires");
    assert!(leases.give_back(lent[0], later) && leases.give_back(lent[1], later), "given back after thirty years");
    assert_eq!(leases.usage(), usage(0, 0, 0), "the counters then");
}

fn a_lease_that_was_never_issued_is_rejected<L: Leases>(new: New<L>) {
    let (start, mut leases) = (now(), new(2, LIMIT));
    let real = lend(&mut leases, 1, start)[0];
    for unknown in
        [Lease { slot: 2, ..real }, Lease { slot: usize::MAX, turn: 0 }, Lease { slot: 1 - real.slot, ..real }]
    {
        assert!(!leases.give_back(unknown, start), "{unknown:?} was never issued");
        assert!(!leases.renew(unknown, start), "{unknown:?} was never issued");
    }
    assert_eq!(leases.usage(), usage(1, 0, 6), "the counters then");
}

fn any_operations_agree_with_a_plain_list<L: Leases>(new: New<L>) {
    for seed in 0..400 {
        let (mut random, mut leases, mut at) = (Rng::new(seed), new(4, LIMIT), now());
        let (mut lent, mut known, mut expected) = (HashMap::<Lease, Instant>::new(), Vec::new(), usage(0, 0, 0));
        for step in 0..300 {
            at += ms(random.below(30) as u64);
            match random.below(6) {
                0 | 1 => {
                    let lease = leases.lend(at);
                    assert_eq!(lease.is_some(), lent.len() < 4, "seed {seed}, step {step}: whether one is lent");
                    known.extend(lease);
                    let twice = lease.and_then(|lease| lent.insert(lease, at + LIMIT));
                    assert_eq!(twice, None, "seed {seed}, step {step}: {lease:?} is lent already");
                }
                2 => {
                    while let Some(found) = leases.expire(at) {
                        let first = lent.values().min().copied();
                        let until = lent.remove(&found);
                        assert!(until.is_some(), "seed {seed}, step {step}: {found:?} is returned, but not lent");
                        assert!(until <= Some(at) && until == first, "seed {seed}, step {step}: {found:?} is not next");
                        expected.leaked += 1;
                    }
                    let missed = lent.iter().find(|(_, until)| **until <= at);
                    assert_eq!(missed, None, "seed {seed}, step {step}: it has expired and is not returned");
                }
                act if !known.is_empty() => {
                    let newest = known.len().saturating_sub(8);
                    let lease = *random.pick(&known[newest..]);
                    let is_valid = lent.get(&lease).is_some_and(|until| at < *until);
                    let accepted = if act == 3 { leases.renew(lease, at) } else { leases.give_back(lease, at) };
                    assert_eq!(
                        accepted, is_valid,
                        "seed {seed}, step {step}: {lease:?} is renewed (3) or given back: {act}"
                    );
                    expected.refused += u64::from(!is_valid);
                    if is_valid && act == 3 {
                        lent.insert(lease, at + LIMIT);
                    } else if is_valid {
                        lent.remove(&lease);
                    }
                }
                _ => {}
            }
            expected.lent = lent.len();
            assert_eq!(leases.usage(), expected, "seed {seed}: the counters after step {step}");
            assert_eq!(leases.next(), lent.values().min().copied(), "seed {seed}: the next deadline after step {step}");
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
    let mut lent = Vec::new();
    for done in 0..MANY {
        lent.extend(leases.lend(start));
        assert_in_time("lend", done);
    }
    for beat in 0..200_000 {
        let at = start + Duration::from_micros(beat);
        assert!(leases.renew(*random.pick(&lent), at), "it is lent");
        assert_eq!((leases.expire(at), leases.next().is_some()), (None, true), "none has expired, but one will");
        assert_in_time("renew", usize::try_from(beat).unwrap());
    }
    for (done, lease) in lent.iter().enumerate().skip(MANY / 2) {
        assert!(leases.give_back(*lease, start + ms(900)), "it is lent");
        assert_in_time("give back", done);
    }
    let found =
        std::iter::from_fn(|| leases.expire(start + Duration::from_secs(90))).inspect(|_| assert_in_time("find", 0));
    assert_eq!(found.count(), MANY / 2, "how many were never given back");
}
