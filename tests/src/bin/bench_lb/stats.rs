//! Medians and their spread. No mean: one disturbed round would move it.

use serde::{Deserialize, Serialize};

/// The values of several rounds for one metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    /// First and third quartile, between which lies the middle half of the rounds. A comparison calls this "the
    /// spread".
    pub(crate) q1: f64,
    pub(crate) q3: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// None without figures.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().filter(|figure| figure.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let at = |part| quantile(&sorted, part);
        Some(Self { median: at(0.5), min, q1: at(0.25), q3: at(0.75), max })
    }

    /// Whether this lies above `other` by more than the spread of either.
    pub(crate) fn is_above(&self, other: &Self) -> bool {
        self.q1 > other.q3
    }
}

/// Interpolates linearly between two values, as most tools do (R's type 7).
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few rounds")]
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

/// Four significant digits: more would only make the files longer.
pub(crate) fn rounded(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return figure;
    }
    let magnitude = 10_f64.powf(3.0 - figure.abs().log10().floor());
    // Whole numbers keep all their digits.
    if magnitude < 1.0 { figure.round() } else { (figure * magnitude).round() / magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(figures: &[f64]) -> Spread {
        Spread::of(figures.iter().copied()).unwrap()
    }

    #[test]
    fn median_and_quartiles_of_any_number_of_rounds() {
        let seven = spread(&[7.0, 1.0, 3.0, 5.0, 2.0, 6.0, 4.0]);
        assert_eq!((seven.min, seven.q1, seven.median, seven.q3, seven.max), (1.0, 2.5, 4.0, 5.5, 7.0));
        assert!((spread(&[1.0, 2.0]).median - 1.5).abs() < 1e-9);
        let one = spread(&[3.0]);
        assert_eq!((one.min, one.q1, one.median, one.q3, one.max), (3.0, 3.0, 3.0, 3.0, 3.0));
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN]), None);
    }

    #[test]
    fn one_disturbed_round_moves_neither_median_nor_spread_far() {
        let calm = spread(&[10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6]);
        let disturbed = spread(&[10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 99.0]);
        assert_eq!((calm.median, calm.q3), (disturbed.median, disturbed.q3));
    }

    #[test]
    fn above_means_beyond_both_spreads() {
        let base = spread(&[10.0, 10.5, 11.0, 11.5, 12.0]);
        assert!(spread(&[12.0, 12.1, 12.2, 12.3, 12.4]).is_above(&base));
        assert!(!spread(&[10.5, 11.2, 12.2, 12.3, 12.4]).is_above(&base), "its own spread reaches into the base's");
        assert!(!base.is_above(&base));
        assert!(spread(&[2.0]).is_above(&spread(&[1.0])));
    }

    #[test]
    fn rounding_keeps_four_digits() {
        for (figure, expected) in [(14.23456, 14.23), (0.012_345_6, 0.01235), (71_234.56, 71_235.0), (0.0, 0.0)] {
            assert!((rounded(figure) - expected).abs() < 1e-9, "{figure}");
        }
    }
}
