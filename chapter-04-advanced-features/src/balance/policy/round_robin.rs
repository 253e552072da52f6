//! Round robin: each backend in turn.
//!
//! **Use it** when the backends are alike and requests cost about the same. It ignores load: one slow backend gets its
//! full share, and its clients wait. nginx's default without weights, HAProxy's `static-rr`, Envoy's `ROUND_ROBIN`.
//!
//! **Cost**: one `fetch_add` and one check, whatever the number of backends; a walk over all of them only when the
//! next one is not eligible.
//!
//! Chapter 3's `RoundRobin` checks backends one by one at every pick, because its list contains the ones that are down.
//! Here the candidates are only those that are up, so the first check nearly always succeeds; and the counter is in
//! [`PickCounters`](super::counters::PickCounters), because pickers are rebuilt at every change.

/// The index that is next in turn; if it is not eligible, an eligible one, so that its share is divided equally.
// Taking the next eligible one would give the neighbour of a full backend a double share.
pub fn pick(sequence: usize, count: usize, eligible: impl Fn(usize) -> bool) -> Option<usize> {
    let index = sequence.checked_rem(count)?;
    if eligible(index) {
        return Some(index);
    }
    let eligible_count = (0..count).filter(|index| eligible(*index)).count();
    // By round: the picks that one candidate loses go to each eligible one once, then to each once more.
    let nth = (sequence / count).wrapping_add(index).checked_rem(eligible_count)?;
    // Another thread may have made one ineligible in between: then take any.
    (0..count).filter(|index| eligible(*index)).nth(nth).or_else(|| (0..count).find(|index| eligible(*index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(eligible: &[bool], picks: usize) -> Vec<usize> {
        let mut counts = vec![0; eligible.len()];
        for sequence in 0..picks {
            counts[pick(sequence, eligible.len(), |index| eligible[index]).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn picks_each_in_turn() {
        let picks: Vec<_> = (0..7).filter_map(|sequence| pick(sequence, 3, |_| true)).collect();
        assert_eq!(picks, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn share_of_an_ineligible_backend_is_divided_equally() {
        assert_eq!(counts(&[true, false, true, true], 12), [4, 0, 4, 4]);
        assert_eq!(counts(&[false, true, false, true, false], 10), [0, 5, 0, 5, 0]);
        assert_eq!(counts(&[false, false, true], 5), [0, 0, 5]);
    }

    #[test]
    fn picks_none_if_none_is_eligible() {
        assert_eq!(pick(3, 0, |_| true), None);
        assert_eq!(pick(3, 4, |_| false), None);
    }
}
