//! The checks of exercise 3.2.

use exercises_03::contracts::WeightedRoundRobin;

use crate::exercise_checks;

exercise_checks!(
    exercises_03,
    e2_weighted_round_robin::weighted_round_robin,
    [
        five_one_one_is_interleaved_as_in_nginx,
        each_cycle_is_exact,
        weight_zero_is_never_picked,
        the_share_of_a_down_backend_is_split_by_weight,
        a_recovered_backend_does_not_make_up_for_missed_picks,
        a_flapping_backend_does_not_change_the_shares_of_others,
        no_weight_is_too_large,
    ]
);

/// The backends of the next picks as letters, `-` for none.
fn next<T: WeightedRoundRobin>(wrr: &mut T, up: &[bool], count: usize) -> String {
    let letter = |backend: usize| char::from(b'a' + u8::try_from(backend).unwrap());
    (0..count).map(|_| wrr.next(up).map_or('-', letter)).collect()
}

/// How often each of `backends` is in `picks`.
fn counts(picks: &str, backends: usize) -> Vec<usize> {
    ('a'..).take(backends).map(|letter| picks.matches(letter).count()).collect()
}

fn five_one_one_is_interleaved_as_in_nginx<T: WeightedRoundRobin>(new: fn(&[u32]) -> T) {
    assert_eq!(next(&mut new(&[5, 1, 1]), &[true; 3], 14), "aabacaaaabacaa", "two cycles of 5, 1, 1");
    assert_eq!(next(&mut new(&[1, 1, 1]), &[true; 3], 6), "abcabc", "equal weights should be plain round robin");
}

fn each_cycle_is_exact<T: WeightedRoundRobin>(new: fn(&[u32]) -> T) {
    for weights in [vec![1], vec![3, 2], vec![5, 1, 1], vec![7, 0, 2, 4], vec![1, 10, 100]] {
        let mut wrr = new(&weights);
        let expected: Vec<_> = weights.iter().map(|weight| *weight as usize).collect();
        for cycle in 1..=3 {
            let picks = next(&mut wrr, &vec![true; weights.len()], expected.iter().sum());
            assert_eq!(counts(&picks, weights.len()), expected, "weights {weights:?}, cycle {cycle}: {picks}");
        }
    }
}

fn weight_zero_is_never_picked<T: WeightedRoundRobin>(new: fn(&[u32]) -> T) {
    assert_eq!(counts(&next(&mut new(&[0, 2, 0]), &[true; 3], 20), 3), [0, 20, 0], "20 picks of 0, 2, 0");
    assert_eq!(next(&mut new(&[0, 2]), &[true, false], 3), "---", "only one of weight 0 is up");
    assert_eq!(next(&mut new(&[0, 0]), &[true, true], 3), "---", "all weights are 0");
    assert_eq!(next(&mut new(&[]), &[], 3), "---", "no backends");
    assert_eq!(next(&mut new(&[2, 1]), &[false, false], 3), "---", "none is up");
    // The credits of all that are up may be negative, while those are down that are owed a pick.
    let mut wrr = new(&[0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let picked = next(&mut wrr, &[true; 9], 4);
    let up: Vec<_> = ('a'..='i').map(|letter| letter == 'a' || picked.contains(letter)).collect();
    let picks = next(&mut wrr, &up, 20);
    assert!(
        !picks.contains('a'),
        "a has weight 0 and should not be picked while {picked} are up, but picks are {picks}"
    );
}

fn the_share_of_a_down_backend_is_split_by_weight<T: WeightedRoundRobin>(new: fn(&[u32]) -> T) {
    for (weights, up, expected) in [
        ([5, 1, 1], [false, true, true], [0, 100, 100]),
        ([3, 2, 1], [true, false, true], [150, 0, 50]),
        ([3, 2, 1], [true, true, false], [120, 80, 0]),
    ] {
        let total = expected.iter().sum();
        let picks = next(&mut new(&weights), &up, total);
        assert_eq!(counts(&picks, 3), expected, "{total} picks, weights {weights:?}, up {up:?}");
    }
}

fn a_recovered_backend_does_not_make_up_for_missed_picks<T: WeightedRoundRobin>(new: fn(&[u32]) -> T) {
    let mut wrr = new(&[1, 1, 1]);
    next(&mut wrr, &[true, true, false], 1_000);
    let picks = next(&mut wrr, &[true; 3], 12);
    let back = counts(&picks, 3)[2];
    assert!((3..=5).contains(&back), "c is back and should get about 4 of 12 picks, but gets {back}: {picks}");
}

fn a_flapping_backend_does_not_change_the_shares_of_others<T: WeightedRoundRobin>(new: fn(&[u32]) -> T) {
    for weights in [[5, 1, 1], [1, 1, 5], [1, 2, 2], [9, 4, 2]] {
        for (ups, downs) in (1..=5).flat_map(|ups| (1..=5).map(move |downs| (ups, downs))) {
            let (actual, fair) = actual_and_fair(&mut new(&weights), weights, |pick| pick % (ups + downs) < ups);
            for backend in [1, 2] {
                let (actual, fair, name) = (actual[backend], fair[backend], ["a", "b", "c"][backend]);
                assert!(
                    (actual / fair - 1.0).abs() < 0.03,
                    "weights {weights:?}, a up for {ups} picks, down for {downs}, and so on: {name} should get about \
                     {fair:.0} of 7000 picks, but gets {actual}",
                );
            }
        }
    }
}

/// How often each backend is picked of 7000 times, and its fair share, while only the first one flaps.
fn actual_and_fair<T: WeightedRoundRobin>(
    wrr: &mut T,
    weights: [u32; 3],
    is_up: impl Fn(u32) -> bool,
) -> ([f64; 3], [f64; 3]) {
    let (mut actual, mut fair) = ([0.0; 3], [0.0; 3]);
    for up in (0..7_000).map(|pick| [is_up(pick), true, true]) {
        let candidates: Vec<usize> = (0..3).filter(|backend| up[*backend]).collect();
        let sum: u32 = candidates.iter().map(|backend| weights[*backend]).sum();
        for &backend in &candidates {
            fair[backend] += f64::from(weights[backend]) / f64::from(sum);
        }
        actual[wrr.next(&up).expect("b and c are up, so a backend should be picked")] += 1.0;
    }
    (actual, fair)
}

fn no_weight_is_too_large<T: WeightedRoundRobin>(new: fn(&[u32]) -> T) {
    let mut wrr = new(&[u32::MAX, u32::MAX, u32::MAX]);
    assert_eq!(next(&mut wrr, &[true; 3], 9), "abcabcabc", "three equal weights, as large as they can be");
    // In the middle of a cycle, when no credit is 0, c goes down and comes back.
    let mut wrr = new(&[u32::MAX; 3]);
    let picks: String = (0..100).map(|cycle| next(&mut wrr, &[true, true, cycle % 2 == 0], 5)).collect();
    let [a, b] = ['a', 'b'].map(|letter| picks.matches(letter).count());
    assert!(a.abs_diff(b) <= 3, "c of three equal weights goes down and up: a and b should get the same: {picks}");
}
