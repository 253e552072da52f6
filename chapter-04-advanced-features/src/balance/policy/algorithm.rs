//! The algorithms by name, as people write them after `-a`.
//!
//! Each has a long name, which is what we print, and short ones, which are what other balancers and the habit of
//! typing have made known. Case does not matter, and an underscore is as good as a hyphen.

use std::{fmt, str::FromStr};

/// How one of several backends is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// Turns, each backend as often as the others: [`super::round_robin`].
    #[default]
    RoundRobin,
    /// Turns by weight, evenly mixed: [`super::weighted_round_robin`].
    WeightedRoundRobin,
    /// The fewest requests in flight: [`super::least_connections`].
    LeastConnections,
    /// The fewest requests in flight for its weight: [`super::least_connections`].
    WeightedLeastConnections,
    /// Chance, by weight: [`super::random`].
    Random,
    /// The less loaded of two drawn at random: [`super::power_of_two_choices`].
    PowerOfTwoChoices,
    /// The one of two that would answer sooner: [`super::peak_ewma`].
    PeakEwma,
    /// The client's hash modulo the weights: [`super::source_hash`].
    SourceHash,
    /// A ring of hashes: [`super::ketama`].
    Ketama,
    /// The highest of one hash per backend: [`super::rendezvous`].
    Rendezvous,
    /// A table filled by preference: [`super::maglev`].
    Maglev,
}

/// Every algorithm with its names, the long one first.
const NAMES: [(Algorithm, &[&str]); 11] = [
    (Algorithm::RoundRobin, &["round-robin", "rr"]),
    (Algorithm::WeightedRoundRobin, &["weighted-round-robin", "wrr", "weighted"]),
    (Algorithm::LeastConnections, &["least-connections", "lc", "least-conn"]),
    (Algorithm::WeightedLeastConnections, &["weighted-least-connections", "wlc"]),
    (Algorithm::Random, &["random"]),
    (Algorithm::PowerOfTwoChoices, &["two-choices", "p2c"]),
    (Algorithm::PeakEwma, &["peak-ewma", "ewma"]),
    (Algorithm::SourceHash, &["source-hash", "iphash"]),
    (Algorithm::Ketama, &["ketama", "ring"]),
    (Algorithm::Rendezvous, &["rendezvous", "hrw"]),
    (Algorithm::Maglev, &["maglev"]),
];

impl Algorithm {
    /// All of them, in the order in which the chapter explains them.
    pub fn all() -> [Self; 11] {
        NAMES.map(|(algorithm, _)| algorithm)
    }

    /// Its names: the long one, which is also how it is displayed, then the short ones.
    pub fn names(self) -> &'static [&'static str] {
        NAMES.iter().find(|(algorithm, _)| *algorithm == self).map_or(&[], |(_, names)| *names)
    }

    /// Whether a backend of weight 2 gets twice as much. The plain two have a weighted brother each.
    pub fn supports_weights(self) -> bool {
        !matches!(self, Self::RoundRobin | Self::LeastConnections)
    }

    /// Whether a change of the backends moves few keys. Only these take a balance factor: [`super::bounded_load`].
    pub fn is_consistent_hash(self) -> bool {
        matches!(self, Self::Ketama | Self::Rendezvous | Self::Maglev)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.names()[0])
    }
}

/// The word names no algorithm. One line: the known ones, and the nearest if one is near.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm '{name}'{}; expected one of {}", format_suggestion(*.suggestion), known_names())]
pub struct UnknownAlgorithm {
    /// What was written.
    pub name: String,
    /// What was perhaps meant.
    pub suggestion: Option<&'static str>,
}

fn format_suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean '{name}'?"))
}

/// `round-robin (rr), weighted-round-robin (wrr, weighted), …`
fn known_names() -> String {
    let described = NAMES.map(|(_, names)| match names {
        [long, short @ ..] if !short.is_empty() => format!("{long} ({})", short.join(", ")),
        _ => names.concat(),
    });
    described.join(", ")
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(word: &str) -> Result<Self, UnknownAlgorithm> {
        let wanted = word.trim().to_ascii_lowercase().replace('_', "-");
        let named = NAMES.iter().find(|(_, names)| names.contains(&wanted.as_str()));
        named
            .map(|(algorithm, _)| *algorithm)
            .ok_or_else(|| UnknownAlgorithm { suggestion: nearest_name(&wanted), name: word.into() })
    }
}

/// The name that takes the fewest edits to reach, if they are no more than a third of it: beyond that a
/// suggestion is a guess.
fn nearest_name(wanted: &str) -> Option<&'static str> {
    // Nobody means a name by a word far longer than all of them, and the search is quadratic.
    let names = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).filter(|_| wanted.len() <= 64);
    let (edits, name) = names.map(|name| (edit_distance(wanted, name), name)).min_by_key(|(edits, _)| *edits)?;
    (edits * 3 <= name.len()).then_some(name)
}

/// Levenshtein's distance: how many characters must be added, dropped or changed.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_the_long_one_shown() {
        for algorithm in Algorithm::all() {
            for name in algorithm.names() {
                assert_eq!(name.parse(), Ok(algorithm));
                assert_eq!(name.to_uppercase().replace('-', "_").parse(), Ok(algorithm));
            }
            assert_eq!(algorithm.to_string(), algorithm.names()[0]);
        }
        assert_eq!(format!("{:12}|", Algorithm::Maglev), "maglev      |", "tables are made of these");
    }

    #[test]
    fn no_name_means_two_algorithms() {
        let mut names: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn an_unknown_word_gets_the_known_ones_and_the_nearest() {
        let cases = [
            ("leastconn", Some("least-conn")),
            ("round-robbin", Some("round-robin")),
            ("maglve", Some("maglev")),
            ("ip-hash", Some("iphash")),
            ("", None),
            ("fastest", None),
            (&"x".repeat(100_000), None),
        ];
        for (word, nearest) in cases {
            let error = word.parse::<Algorithm>().unwrap_err();
            assert_eq!(error.suggestion, nearest, "{word}");
            let line = error.to_string();
            assert!(line.contains("round-robin (rr)") && line.ends_with(", maglev"), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
        assert!("maglve".parse::<Algorithm>().unwrap_err().to_string().contains("did you mean 'maglev'?"));
    }
}
