//! The checks of exercise 3.1.

use integration_tests::rng::Rng;

use crate::exercise_checks;

type Pick = fn(&[bool], u64) -> Option<usize>;

exercise_checks!(
    exercises_03,
    e1_random::pick,
    [
        none_is_picked_when_none_is_up,
        a_backend_that_is_down_is_never_picked,
        the_same_number_gives_the_same_choice,
        shares_are_equal_when_all_are_up,
        the_share_of_a_dead_backend_is_split_among_all,
    ]
);

const PICKS: u32 = 100_000;

/// How often each of four backends is picked; panics if one that is down is picked.
fn counts(pick: Pick, up: [bool; 4]) -> [u32; 4] {
    let mut random = Rng::new(3);
    let mut counts = [0; 4];
    for _ in 0..PICKS {
        let picked = pick(&up, random.number()).expect("a backend is up and should be picked, but none is");
        assert!(up[picked], "backend {picked} is down and should not be picked, but is; up: {up:?}");
        counts[picked] += 1;
    }
    counts
}

/// Checks that each backend that is up gets its share, within 3 %.
fn assert_even(pick: Pick, up: [bool; 4]) {
    let counts = counts(pick, up);
    let up_count = up.iter().filter(|up| **up).count();
    let share = f64::from(PICKS) / f64::from(u32::try_from(up_count).unwrap());
    let fair = |count: u32| (f64::from(count) - share).abs() <= 0.03 * share;
    let is_fair = up.iter().zip(counts).all(|(up, count)| !up || fair(count));
    assert!(is_fair, "up: {up:?}; each should be picked {share:.0} times, within 3 %, but the counts are {counts:?}");
}

fn none_is_picked_when_none_is_up(pick: Pick) {
    for random in [0, 1, u64::MAX] {
        assert_eq!(pick(&[], random), None, "no backends at all");
        assert_eq!(pick(&[false, false, false], random), None, "three backends, all down");
    }
}

fn a_backend_that_is_down_is_never_picked(pick: Pick) {
    let mut random = Rng::new(4);
    for mask in 1_usize..1 << 6 {
        let up: Vec<_> = (0..6).map(|backend| mask >> backend & 1 == 1).collect();
        let numbers = [0, 1, u64::MAX, u64::MAX - 1].into_iter().chain((0..100).map(|_| random.number()));
        for number in numbers {
            let picked = pick(&up, number);
            let is_up = picked.is_some_and(|picked| up[picked]);
            assert!(is_up, "a backend that is up should be picked, but {number} gives {picked:?}; up: {up:?}");
        }
    }
}

fn the_same_number_gives_the_same_choice(pick: Pick) {
    let up = [true, false, true, true];
    let mut random = Rng::new(5);
    let numbers: Vec<_> = (0..100).map(|_| random.number()).collect();
    let picks = || numbers.iter().map(|number| pick(&up, *number)).collect::<Vec<_>>();
    assert_eq!(picks(), picks(), "the picks of a hundred numbers, twice");
}

fn shares_are_equal_when_all_are_up(pick: Pick) {
    assert_even(pick, [true; 4]);
}

fn the_share_of_a_dead_backend_is_split_among_all(pick: Pick) {
    for mask in 1..15 {
        assert_even(pick, [0, 1, 2, 3].map(|backend| mask >> backend & 1 == 1));
    }
}
