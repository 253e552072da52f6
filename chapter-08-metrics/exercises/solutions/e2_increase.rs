//! The solution of exercise 8.2.

/// The growth of a counter.
pub fn increase(scrapes: &[f64]) -> Option<f64> {
    let grown = |pair: &[f64]| {
        let (before, after) = (pair[0], pair[1]);
        if after < before { after } else { after - before }
    };
    (scrapes.len() >= 2).then(|| scrapes.windows(2).map(grown).fold(0.0, |sum, more| sum + more))
}
