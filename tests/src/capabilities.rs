//! Which chapters pass which suites.

use std::ops::RangeInclusive;

/// The suites in the order in which they are printed, each with the chapters that pass it.
const SUITES: &[(&str, &[u8])] = &[
    ("sockets", &[1]),
    ("proxy", &[2, 3, 4, 5, 6, 7, 8]),
    ("forward", &[2]),
    ("framing", &[2, 3, 4, 5, 6, 7, 8]),
    ("smuggling", &[2, 3, 4, 5, 6, 7, 8]),
    ("robustness", &[2, 3, 4, 5, 6, 7, 8]),
    ("balance", &[3, 4, 5, 6, 7, 8]),
    ("failover", &[3, 4, 5, 6, 7, 8]),
    ("algorithms", &[4, 5, 6, 7, 8]),
    ("health", &[4, 5, 6, 7, 8]),
    ("retry", &[4, 5, 6, 7, 8]),
    ("sticky", &[4, 5, 6, 7, 8]),
    ("routing", &[4, 5, 6, 7, 8]),
    ("limits", &[4, 5, 6, 7, 8]),
    ("identity", &[4, 5, 6, 7, 8]),
    ("admin", &[4, 6, 7, 8]),
    ("c10k", &[5, 6, 7, 8]),
    ("pooling", &[6, 7, 8]),
    ("rate_limit", &[7, 8]),
    ("overload", &[7, 8]),
    ("metrics", &[8]),
    ("live", &[8]),
];

/// The chapters with a program under test.
pub const CHAPTERS: RangeInclusive<u8> = 1..=8;

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
