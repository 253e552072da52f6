//! The keys themselves, a file per part of the configuration.

mod group;
mod health;
mod limit;
mod listener;
mod observe;
mod root;
mod route;
mod short_form;
mod timeouts;

pub use root::{INCLUDED, ROOT};
pub use short_form::{GROUP_KEYS, SHORT};

use advanced_features::balance::policy::Algorithm;

/// The words of `algorithm`: those of `-a`, and the originals' names.
const ALGORITHMS: &[&str] = &[
    "rr",
    "wrr",
    "lc",
    "wlc",
    "random",
    "p2c",
    "ewma",
    "iphash",
    "ketama",
    "rendezvous",
    "maglev",
    "round_robin",
    "weighted_round_robin",
    "least_connections",
    "weighted_least_connections",
    "ip_hash",
];

/// The algorithm that a word of `algorithm` means.
pub(in crate::config) fn algorithm(word: &str) -> Option<Algorithm> {
    let word = match word {
        "round_robin" => "rr",
        "weighted_round_robin" => "wrr",
        "least_connections" => "lc",
        "weighted_least_connections" => "wlc",
        "ip_hash" => "iphash",
        word => word,
    };
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_an_algorithm_and_every_algorithm_has_one() {
        assert!(ALGORITHMS.iter().all(|word| algorithm(word).is_some()));
        for known in Algorithm::all() {
            assert!(known.names().iter().any(|name| ALGORITHMS.contains(name)), "{known}");
        }
    }
}
