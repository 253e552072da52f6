//! Turns: each backend as often as the others.
//!
//! **Use it** when the backends are alike and requests cost about the same. It knows nothing of load: one slow
//! backend gets its full share, and the clients wait for it. nginx's default without weights, HAProxy's
//! `static-rr`, Envoy's `ROUND_ROBIN`.
//!
//! **Cost**: one `fetch_add` and one question, whatever the number of backends; a walk over all only when the
//! one whose turn it is may not be picked.
//!
//! Chapter 3's `RoundRobin` asks every slot on every turn, because there the dead stand among the living. Here
//! the candidates are only those that are up, so the first answer is nearly always yes; and the count lives in
//! [`Turns`](super::counters::Turns), for these tables are rebuilt at every change.

/// The slot of this turn; if it is not usable, a usable one, so that all of these inherit equally.
// To walk on to the next usable one would give the neighbour of a full backend a double share.
pub fn pick(sequence: usize, count: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
    let slot = sequence.checked_rem(count)?;
    if usable(slot) {
        return Some(slot);
    }
    let eligible_count = (0..count).filter(|slot| usable(*slot)).count();
    // The round decides: one slot's lost turns go to each heir once, then to each once more.
    let nth = (sequence / count).wrapping_add(slot).checked_rem(eligible_count)?;
    // Another thread may have made one unusable in between: then any will do.
    (0..count).filter(|slot| usable(*slot)).nth(nth).or_else(|| (0..count).find(|slot| usable(*slot)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(usable: &[bool], turns: usize) -> Vec<usize> {
        let mut counts = vec![0; usable.len()];
        for sequence in 0..turns {
            counts[pick(sequence, usable.len(), |slot| usable[slot]).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn each_has_its_turn() {
        let slots: Vec<_> = (0..7).filter_map(|sequence| pick(sequence, 3, |_| true)).collect();
        assert_eq!(slots, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn lost_turns_are_inherited_equally() {
        assert_eq!(counts(&[true, false, true, true], 12), [4, 0, 4, 4]);
        assert_eq!(counts(&[false, true, false, true, false], 10), [0, 5, 0, 5, 0]);
        assert_eq!(counts(&[false, false, true], 5), [0, 0, 5]);
    }

    #[test]
    fn nobody_has_no_turn() {
        assert_eq!(pick(3, 0, |_| true), None);
        assert_eq!(pick(3, 4, |_| false), None);
    }
}
