//! The solution of exercise 8.4.

use std::collections::HashMap;

use crate::contracts::BoundedLabels;

/// The longest value.
const MAX_BYTES: usize = 64;
/// What further values are counted as.
const OTHER: &str = "other";

/// Counters by value.
pub fn labels(most: usize) -> impl BoundedLabels {
    Labels { index: HashMap::new(), counts: Vec::new(), other: 0, dropped: 0, most }
}

struct Labels {
    /// Where a value is in `counts`.
    index: HashMap<Box<str>, usize>,
    counts: Vec<(Box<str>, u64)>,
    other: u64,
    /// Events that were refused a series. How many values they had cannot be told without storing those.
    dropped: u64,
    most: usize,
}

impl BoundedLabels for Labels {
    fn count(&mut self, value: &str) {
        let value = &value[..value.floor_char_boundary(MAX_BYTES)];
        match self.index.get(value) {
            Some(at) => self.counts[*at].1 += 1,
            None if value == OTHER => self.other += 1,
            None if self.counts.len() < self.most => {
                self.index.insert(value.into(), self.counts.len());
                self.counts.push((value.into(), 1));
            }
            None => {
                self.other += 1;
                self.dropped += 1;
            }
        }
    }

    fn series(&self) -> Vec<(String, u64)> {
        let counts = self.counts.iter().map(|(value, count)| (value.to_string(), *count));
        let other = (self.other > 0).then(|| (OTHER.to_owned(), self.other));
        counts.chain(other).collect()
    }

    fn dropped(&self) -> u64 {
        self.dropped.min(1)
    }
}
