//! The algorithms by name, as given to `-a`.
//!
//! Each has a long name, which is what we print, and short aliases, known from other balancers. Case does not matter,
//! and an underscore is equivalent to a hyphen.

use std::{fmt, str::FromStr};

/// How one of several backends is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// Each backend in turn: [`super::round_robin`].
    #[default]
    RoundRobin,
    /// In turn by weight, evenly interleaved: [`super::weighted_round_robin`].
    WeightedRoundRobin,
    /// The fewest requests in flight: [`super::least_connections`].
    LeastConnections,
    /// The fewest requests in flight relative to the weight: [`super::least_connections`].
    WeightedLeastConnections,
    /// At random, by weight: [`super::random`].
    Random,
    /// The less loaded of two drawn at random: [`super::power_of_two_choices`].
    PowerOfTwoChoices,
    /// Of two drawn at random, the one with the lower expected latency: [`super::peak_ewma`].
    PeakEwma,
    /// The client's hash modulo the weights: [`super::source_hash`].
    SourceHash,
    /// A ring of hashes: [`super::ketama`].
    Ketama,
    /// The backend with the highest hash for the key: [`super::rendezvous`].
    Rendezvous,
    /// A lookup table filled by each backend's permutation: [`super::maglev`].
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
    /// All algorithms, in the order in which the chapter explains them.
    pub fn all() -> [Self; 11] {
        NAMES.map(|(algorithm, _)| algorithm)
    }

    /// Its names: the long one, which `Display` prints, then the aliases.
    pub fn names(self) -> &'static [&'static str] {
        NAMES.iter().find(|(algorithm, _)| *algorithm == self).map_or(&[], |(_, names)| *names)
    }

    /// Whether a backend of weight 2 gets twice as much. The two that do not each have a weighted variant.
    pub fn supports_weights(self) -> bool {
        !matches!(self, Self::RoundRobin | Self::LeastConnections)
    }

    /// Whether adding or removing a backend moves few keys. Only these take a balance factor: [`super::bounded_load`].
    pub fn is_consistent_hash(self) -> bool {
        matches!(self, Self::Ketama | Self::Rendezvous | Self::Maglev)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.names()[0])
    }
}

/// An unknown algorithm name. The message is one line with the known names, and a suggestion if one is similar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm '{name}'{}; expected one of {}", format_suggestion(*.suggestion), known_names())]
pub struct UnknownAlgorithm {
    /// The name as given.
    pub name: String,
    /// The most similar known name, if one is similar enough.
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
        let normalized = word.trim().to_ascii_lowercase().replace('_', "-");
        let named = NAMES.iter().find(|(_, names)| names.contains(&normalized.as_str()));
        named
            .map(|(algorithm, _)| *algorithm)
            .ok_or_else(|| UnknownAlgorithm { suggestion: nearest_name(&normalized), name: word.into() })
    }
}

/// The name at the smallest edit distance, if that is at most a third of its length: beyond that a suggestion is a
/// guess.
fn nearest_name(normalized: &str) -> Option<&'static str> {
    // A word far longer than every name resembles none, and the search is quadratic.
    let names = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).filter(|_| normalized.len() <= 64);
    let (edits, name) = names.map(|name| (edit_distance(normalized, name), name)).min_by_key(|(edits, _)| *edits)?;
    (edits * 3 <= name.len()).then_some(name)
}

/// The Levenshtein distance: how many characters must be added, removed or changed.
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
    fn parses_every_name_and_displays_the_long_one() {
        for algorithm in Algorithm::all() {
            for name in algorithm.names() {
                assert_eq!(name.parse(), Ok(algorithm));
                assert_eq!(name.to_uppercase().replace('-', "_").parse(), Ok(algorithm));
            }
            assert_eq!(algorithm.to_string(), algorithm.names()[0]);
        }
        assert_eq!(format!("{:12}|", Algorithm::Maglev), "maglev      |", "padding works, for tables");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn unknown_name_lists_known_names_and_a_suggestion() {
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
