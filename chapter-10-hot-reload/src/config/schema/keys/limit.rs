//! Limits by name.

use crate::config::schema::{
    Key,
    Kind::{Bool, Choice, Integer, Object, Text},
    Section, format, rules,
};

static BANDWIDTH: Section = Section {
    name: "a bandwidth",
    keys: &[
        Key::new("down", Text(&format::BYTE_RATE), "To clients.").flag("--limit-bandwidth"),
        Key::new("up", Text(&format::BYTE_RATE), "From clients.").flag("--limit-bandwidth"),
    ],
    rules: &[rules::bandwidth],
};

pub(super) static LIMIT: Section = Section {
    name: "a limit",
    keys: &[
        Key::new("rate", Text(&format::RATE), "So many requests per second, minute or hour.").flag("--limit"),
        Key::new("burst", Integer(1, 1_000_000), "How many may come at once.")
            .only_without("bandwidth")
            .computed("one second's worth, at least 1")
            .flag("--limit …,burst="),
        Key::new(
            "by",
            Text(&format::LIMIT_KEY),
            "What it counts by: ip, header:NAME, cookie:NAME, route or global; bandwidth: ip or connection.",
        )
        .default("\"ip\"")
        .flag("--limit by="),
        Key::new("path", Text(&format::PATH), "Only requests of this path.")
            .only_without("bandwidth")
            .computed("any")
            .flag("--limit path="),
        Key::new("algorithm", Choice(&["gcra", "token", "sliding", "log", "fixed", "governor"]), "How it counts.")
            .only_without("bandwidth")
            .default("\"gcra\"")
            .flag("--limit alg="),
        Key::new("keys", Integer(1, 1 << 24), "Maximum keys that it tracks; when full, new keys share one state.")
            .only_without("bandwidth")
            .default("65536")
            .flag("--limit-keys"),
        Key::new("dry_run", Bool, "Counts and logs what it would refuse, and refuses nothing.")
            .only_without("bandwidth")
            .default("false")
            .flag("--limit-dry-run"),
        Key::new("global", Bool, "Applies to all requests, not only to routes that name it.").default("false"),
        Key::new("bandwidth", Object(&BANDWIDTH), "Limits bytes instead of requests.").flag("--limit-bandwidth"),
    ],
    rules: &[rules::limit_kind],
};
