//! Exercise 8.4: labels from strangers (an hour).
//!
//! A label whose values come from requests, such as the host. Most clients use a few; one sends a million.
//!
//! **Contract.** [`labels`] returns counters by value ([`BoundedLabels`]) with at most `most` series besides `other`.
//!
//! - The first `most` different values get series. A value that has one keeps it, and loses no count.
//! - Events with further values are counted as `other`. A client that sends the value `other` is counted there too, and
//!   takes no series.
//! - A value is cut to its first 64 bytes, at the boundary of a character: two that differ only beyond that are one.
//! - The sum of all series is the number of events.
//! - The memory is bounded, however many values come, and however long they are.

use std::collections::HashMap;

use crate::contracts::BoundedLabels;

/// Counters by value.
pub fn labels(most: usize) -> impl BoundedLabels {
    Labels { counts: HashMap::new(), most }
}

struct Labels {
    counts: HashMap<String, u64>,
    most: usize,
}

impl BoundedLabels for Labels {
    fn count(&mut self, value: &str) {
        if self.counts.len() >= self.most {
            // Room for the new one.
            self.counts.clear();
        }
        *self.counts.entry(value.to_owned()).or_default() += 1;
    }

    fn series(&self) -> Vec<(String, u64)> {
        self.counts.iter().map(|(value, count)| (value.clone(), *count)).collect()
    }

    fn dropped(&self) -> u64 {
        0
    }
}
