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
    ("access_log", &[8]),
    ("live", &[8]),
    ("layer4", &[9]),
    ("udp", &[9]),
    ("zero_copy", &[9]),
    ("proxy_protocol", &[9]),
    ("files", &[9]),
];

/// The suites that a chapter passes when its program is started with further arguments, and what they are listed under.
const IN_ANOTHER_MODE: &[(u8, &str, &[&str], &[&str])] = &[(
    9,
    "http_mode",
    // Each body that may go through a pipe does.
    &["--mode", "http", "--splice-threshold", "0"],
    &["proxy", "framing", "smuggling", "robustness", "balance", "failover", "retry", "pooling"],
)];

/// A suite that a chapter passes.
#[derive(Debug, Clone, Copy)]
pub struct Suite {
    /// Its name.
    pub name: &'static str,
    /// What the program is started with; empty: nothing further.
    pub arguments: &'static [&'static str],
    /// What these arguments are called.
    mode: Option<&'static str>,
}

impl Suite {
    /// What it is listed as: `proxy`, or `http_mode::proxy`.
    pub fn title(&self) -> String {
        self.mode.map_or_else(|| self.name.to_owned(), |mode| format!("{mode}::{}", self.name))
    }
}

/// The chapters whose programs are chapter 6's engine with a further filter each.
const WITH_FILTERS: RangeInclusive<u8> = 7..=9;

/// The chapters with a program under test.
pub const CHAPTERS: RangeInclusive<u8> = 1..=9;

/// The suites that `chapter` passes, in the order they are printed.
///
/// # Panics
/// When no suite lists the chapter: a new chapter must be entered above.
pub fn suites_of(chapter: u8) -> Vec<Suite> {
    let passed = SUITES.iter().filter(|(_, chapters)| chapters.contains(&chapter));
    let passed = passed.map(|(name, _)| Suite { name, arguments: &[], mode: None });
    let in_modes = IN_ANOTHER_MODE.iter().filter(|(number, ..)| *number == chapter);
    let in_modes = in_modes
        .flat_map(|(_, mode, arguments, suites)| suites.iter().map(|name| Suite { name, arguments, mode: Some(mode) }));
    let passed: Vec<_> = passed.chain(in_modes).collect();
    assert!(!passed.is_empty(), "no suite lists chapter {chapter}");
    passed
}

/// Whether `suite` tests what `chapter` has from an earlier one, unchanged: the engine, or an earlier chapter's filter.
pub(crate) fn inherits(chapter: u8, suite: &str) -> bool {
    let passed_by = SUITES.iter().find(|(name, _)| *name == suite).map_or(&[][..], |(_, chapters)| chapters);
    WITH_FILTERS.contains(&chapter) && passed_by.iter().any(|earlier| (6..chapter).contains(earlier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_with_filters_inherits_all_suites_but_its_own() {
        assert!(CHAPTERS.filter(|chapter| *chapter < 7).all(|chapter| !inherits(chapter, "robustness")));
        assert!(inherits(7, "robustness") && inherits(8, "robustness"));
        assert!(!inherits(7, "overload") && inherits(8, "overload"));
        assert!(!inherits(8, "metrics"));
    }
}
