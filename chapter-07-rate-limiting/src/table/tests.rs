//! Tests of the table of keys.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicBool, AtomicU32},
};

use super::*;

/// A state that is idle until something is taken from it.
#[derive(Debug, Default)]
struct Taken(AtomicU32);

impl Taken {
    fn is_idle(&self) -> bool {
        self.0.load(Relaxed) == 0
    }

    fn take(&self) -> u32 {
        self.0.fetch_add(1, Relaxed) + 1
    }
}

fn key(hasher: &RandomState, number: u32) -> Key {
    Key::from_hash(hasher.hash_one(number))
}

fn take(table: &KeyTable<Taken>, key: Key) -> Option<u32> {
    let undo = |_: &Taken, _: &u32| unreachable!("there is one thread");
    table.with_state(key, Taken::is_idle, Taken::take, undo).map(|(_, taken)| taken)
}

#[test]
fn a_key_keeps_its_state() {
    let (table, hasher) = (KeyTable::<Taken>::new(1_000), RandomState::new());
    for round in 1..=3 {
        for number in 0..1_000 {
            assert_eq!(take(&table, key(&hasher, number)), Some(round), "key {number}");
        }
    }
}

#[test]
fn an_idle_key_gives_its_slot_away_and_others_never_do() {
    let (table, hasher) = (KeyTable::<Taken>::new(8), RandomState::new());
    let known: Vec<_> =
        (0..100_000).map(|number| key(&hasher, number)).filter(|key| take(&table, *key).is_some()).collect();
    assert_eq!(known.len(), table.slots(), "every slot is in use");
    assert!(known.iter().all(|key| take(&table, *key) == Some(2)), "a key that is in use was evicted");
    let newcomer = key(&hasher, 200_000);
    assert_eq!(take(&table, newcomer), None);
    // One of them becomes idle.
    table.state(table.find(known[3]).unwrap()).0.store(0, Relaxed);
    assert_eq!(take(&table, newcomer), Some(1));
    assert_eq!(take(&table, known[3]), None, "its slot is gone, and so is its state");
}

#[test]
fn keys_get_slots_as_long_as_the_table_has_what_it_is_made_for() {
    for keys in [8, 100, 65_536] {
        let (table, hasher) = (KeyTable::<Taken>::new(keys), RandomState::new());
        let count = u32::try_from(keys).unwrap();
        let missed = (0..count).filter(|number| take(&table, key(&hasher, *number)).is_none()).count();
        assert_eq!(missed, 0, "of {keys}");
    }
}

#[test]
fn a_new_key_gets_one_slot_however_many_threads_bring_it() {
    let hasher = RandomState::new();
    for round in 0..200 {
        let table = KeyTable::<Taken>::new(64);
        let keys: Vec<_> = (0..16).map(|number| key(&hasher, round * 16 + number)).collect();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    assert!(keys.iter().all(|key| take(&table, *key).is_some()));
                });
            }
        });
        for key in &keys {
            assert_eq!(take(&table, *key), Some(5), "some were taken from another slot");
        }
    }
}

/// Two keys fight for one slot: nothing that a key holds may be lost, and nothing stays that was given back.
#[test]
fn what_is_taken_while_the_slot_changes_hands_is_taken_again() {
    let table = KeyTable::<Taken>::new(8);
    let (first, second) = (Key::from_hash(1), Key::from_hash(2));
    let has_lost_it = AtomicBool::new(false);
    let outcome = table.with_state(
        first,
        Taken::is_idle,
        |state| {
            if !has_lost_it.swap(true, Relaxed) {
                // In the middle of the first take, another key gets the slot.
                let slot = table.find(first).unwrap();
                assert!(table.claim(slot, second, Taken::is_idle) && table.find(second) == Some(slot));
            }
            state.take()
        },
        |state, _| _ = state.0.fetch_sub(1, Relaxed),
    );
    assert_eq!(outcome.map(|(_, taken)| taken), Some(1), "taken once more, from a slot of its own");
    assert_eq!(take(&table, first), Some(2));
    assert_eq!(take(&table, second), Some(1), "nothing was charged to the other key");
}

#[test]
fn a_slot_is_nobodys_until_its_state_is_known_to_be_idle() {
    let table = KeyTable::<Taken>::new(8);
    let (first, second) = (Key::from_hash(1), Key::from_hash(2));
    take(&table, first);
    let slot = table.find(first).unwrap();
    table.state(slot).0.store(0, Relaxed);
    let claimed = table.claim(slot, second, |state| {
        assert_eq!([first, second].map(|key| table.find(key)), [None, None], "it could be taken from already");
        state.is_idle()
    });
    assert!(claimed && table.find(second) == Some(slot));
    // Its owner takes something in between, and keeps it.
    let claimed = table.claim(slot, first, |state| {
        state.take();
        state.is_idle()
    });
    assert!(!claimed && table.find(second) == Some(slot));
}

/// More keys than slots, and every state becomes idle at once: slots change hands all the time.
#[test]
fn slots_that_change_hands_lose_nothing_and_list_no_key_twice() {
    let (table, hasher) = (KeyTable::<Taken>::new(8), RandomState::new());
    let keys: Vec<_> = (0..40).map(|number| key(&hasher, number)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (table, keys) = (&table, &keys);
            scope.spawn(move || {
                for round in 0..20_000 {
                    let key = keys[(round * 7 + thread * 11) % keys.len()];
                    let undo = |state: &Taken, _: &u32| _ = state.0.fetch_sub(1, Relaxed);
                    let Some((slot, _)) = table.with_state(key, Taken::is_idle, Taken::take, undo) else { continue };
                    // Nobody finds it while another thread sees that it cannot have it.
                    let found = std::iter::repeat_with(|| table.find(key)).flatten().next();
                    assert_eq!(found, Some(slot), "a state that is not idle keeps its slot");
                    table.state(slot).0.fetch_sub(1, Relaxed);
                }
            });
        }
    });
    assert!(table.states.iter().all(Taken::is_idle), "something was charged to nobody");
    let owners: Vec<_> = table.lines.iter().flat_map(|line| &line.0).map(|owner| owner.load(Relaxed)).collect();
    let listed: Vec<_> = owners.iter().filter(|owner| **owner != FREE).collect();
    let distinct: std::collections::HashSet<_> = listed.iter().collect();
    assert!(!owners.contains(&CLAIMED) && distinct.len() == listed.len(), "{owners:?}");
}

#[test]
fn a_table_says_how_much_memory_it_takes() {
    let table = KeyTable::<AtomicU64>::new(65_536);
    assert_eq!(table.slots(), 131_072);
    assert_eq!(table.bytes() / 65_536, 32, "per key");
}
