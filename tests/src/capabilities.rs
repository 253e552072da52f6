//! Which chapter passes which suites: the ladder that the workspace climbs.

/// Chapters with a program under test, and the suites each passes, in the order they are printed.
pub const LADDER: &[(u8, &[&str])] = &[
    (1, &["sockets"]),
    (2, &["proxy", "forward", "framing", "smuggling", "robustness"]),
    (3, &["proxy", "framing", "smuggling", "robustness", "balance", "failover"]),
    (
        4,
        &[
            "proxy",
            "framing",
            "smuggling",
            "robustness",
            "balance",
            "failover",
            "algorithms",
            "health",
            "retry",
            "sticky",
            "routing",
            "limits",
            "identity",
            "admin",
        ],
    ),
    (
        5,
        &[
            "proxy",
            "framing",
            "smuggling",
            "robustness",
            "balance",
            "failover",
            "algorithms",
            "health",
            "retry",
            "sticky",
            "routing",
            "limits",
            "identity",
            "c10k",
        ],
    ),
    (
        6,
        &[
            "proxy",
            "framing",
            "smuggling",
            "robustness",
            "balance",
            "failover",
            "algorithms",
            "health",
            "retry",
            "sticky",
            "routing",
            "limits",
            "identity",
            "admin",
            "c10k",
            "pooling",
        ],
    ),
];

/// The suites that `chapter` passes.
///
/// # Panics
/// When the chapter is not on the ladder: a new chapter must be entered above.
pub fn suites_of(chapter: u8) -> &'static [&'static str] {
    let rung = LADDER.iter().find(|(number, _)| *number == chapter);
    rung.unwrap_or_else(|| panic!("chapter {chapter} is not on the ladder")).1
}
