//! What the exercises, their checks and the solutions share.

/// A bucket of a histogram as it is exposed. (Exercise 8.3.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// `le`: the upper bound; infinite for the last one.
    pub bound: f64,
    /// How many were at most `bound`.
    pub cumulative: u64,
}

/// Counts events by the values of a label, in bounded memory. (Exercise 8.4.)
pub trait BoundedLabels {
    /// Counts an event with this value.
    fn count(&mut self, value: &str);

    /// Each value that has a series, with its count, in the order in which the values first came; then `other`, if
    /// anything was counted there.
    fn series(&self) -> Vec<(String, u64)>;

    /// How many different values were refused a series, if that can be known without storing them; at least 1 if there
    /// was one.
    fn dropped(&self) -> u64;
}
