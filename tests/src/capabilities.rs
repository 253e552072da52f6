//! Which chapters pass which suites.

use std::ops::RangeInclusive;

/// The suites in the order in which they are printed, each with the chapters that pass it.
const SUITES: &[(&str, &[u8])] = &[
    ("sockets", &[1]),
    ("proxy", &[2, 3, 4, 5, 6, 7]),
    ("forward", &[2]),
    ("framing", &[2, 3, 4, 5, 6, 7]),
    ("smuggling", &[2, 3, 4, 5, 6, 7]),
    ("robustness", &[2, 3, 4, 5, 6, 7]),
    ("balance", &[3, 4, 5, 6, 7]),
    ("failover", &[3, 4, 5, 6, 7]),
    ("algorithms", &[4, 5, 6, 7]),
    ("health", &[4, 5, 6, 7]),
    ("retry", &[4, 5, 6, 7]),
    ("sticky", &[4, 5, 6, 7]),
    ("routing", &[4, 5, 6, 7]),
    ("limits", &[4, 5, 6, 7]),
    ("identity", &[4, 5, 6, 7]),
    ("admin", &[4, 6, 7]),
    ("c10k", &[5, 6, 7]),
    ("pooling", &[6, 7]),
    ("rate_limit", &[7]),
    ("overload", &[7]),
];

/// The chapters with a program under test.
pub const CHAPTERS: RangeInclusive<u8> = 1..=7;

/// The suites that `chapter` passes, in the order they are printed.
///
/// # Panics
/// When no suite lists the chapter: a new chapter must be entered above.
pub fn suites_of(chapter: u8) -> Vec<&'static str> {
    let passed = SUITES.iter().filter(|(_, chapters)| chapters.contains(&chapter));
    let passed: Vec<_> = passed.map(|(suite, _)| *suite).collect();
    assert!(!passed.is_empty(), "no suite lists chapter {chapter}");
    passed
}
