//! Health checks, ejection and the breaker.

use crate::config::schema::{
    Key,
    Kind::{Choice, Integer, Text},
    Section, format, rules,
};

pub(super) static HEALTH: Section = Section {
    name: "a health check",
    keys: &[
        Key::new("type", Choice(&["tcp", "http"]), "What a check does: connect, or send a GET and read its response.")
            .default("\"tcp\"")
            .flag("--check"),
        Key::new("path", Text(&format::CHECK_PATH), "The path and query of the GET.")
            .only_if("type", &["http"])
            .default("\"/\"")
            .flag("--check http:PATH"),
        Key::new("expect", Text(&format::STATUSES), "The statuses of a healthy backend.")
            .only_if("type", &["http"])
            .default("\"200-399\"")
            .flag("--check …,expect="),
        Key::new("body", Text(&format::ANY_TEXT), "What the start of the body must contain.")
            .only_if("type", &["http"])
            .flag("--check …,body="),
        Key::new("host", Text(&format::HEADER_VALUE), "The Host header of the GET.")
            .only_if("type", &["http"])
            .computed("the backend's host and port")
            .flag("--check …,host="),
        Key::new("port", Integer(1, 65_535), "Another port to check.")
            .computed("the backend's port")
            .flag("--check …,port="),
        Key::new("interval", Text(&format::DURATION), "The time between two checks of a backend.")
            .default("\"2s\"")
            .flag("--check …,interval="),
        Key::new("fast", Text(&format::DURATION), "The interval while a backend is about to change its state.")
            .default("\"500ms\"")
            .flag("--check …,fast="),
        Key::new("timeout", Text(&format::DURATION), "How long a check may take.")
            .default("\"1s\"")
            .flag("--check …,timeout="),
        Key::new("fall", Integer(1, 100), "Failed checks in a row that mark a backend down.")
            .default("3")
            .flag("--check …,fall="),
        Key::new("rise", Integer(1, 100), "Passed checks in a row that mark it up again.")
            .default("2")
            .flag("--check …,rise="),
        Key::new("jitter", Text(&format::PERCENT_OR_ZERO), "How much each interval varies.")
            .default("\"5%\"")
            .flag("--check …,jitter="),
    ],
    rules: &[rules::health_check],
};

pub(super) static OUTLIER: Section = Section {
    name: "an outlier ejection",
    keys: &[
        Key::new(
            "failures",
            Integer(1, 1_000_000),
            "Consecutive failures that eject a backend: resets, timeouts, 502, 503, 504.",
        )
        .default("5")
        .flag("--eject-after"),
        Key::new(
            "statuses",
            Text(&format::FAILURE_STATUSES),
            "More statuses that count as failures, for the breaker too.",
        )
        .flag("--eject-on"),
        Key::new(
            "eject_time",
            Text(&format::DURATION),
            "The first ejection's length; each further one is longer by as much.",
        )
        .default("\"30s\""),
        Key::new("max_eject_time", Text(&format::DURATION), "The longest ejection.").default("\"5m\""),
    ],
    rules: &[],
};

// ANCHOR: breaker
pub(super) static BREAKER: Section = Section {
    name: "a circuit breaker",
    keys: &[
        Key::new("percent", Text(&format::PERCENT), "The share of failed requests that opens it.")
            .default("\"50%\"")
            .flag("--breaker"),
        Key::new("requests", Integer(1, 1_000_000), "With fewer requests in the window it stays closed.").default("20"),
        Key::new("window", Text(&format::DURATION), "The time that failures are counted in.").default("\"10s\""),
        Key::new("open", Text(&format::DURATION), "How long it stays open before one request may probe the group.")
            .default("\"10s\""),
    ],
    rules: &[],
};
// ANCHOR_END: breaker
