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
pub(crate) fn algorithm(word: &str) -> Option<Algorithm> {
    // An underscore is a hyphen to chapter 4, which knows all others.
    let word = if word == "ip_hash" { "iphash" } else { word };
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
