//! What tells an operator how the balancer is: admin, metrics, logs, error pages.

use super::group::SECRET;
use crate::config::schema::{
    Applies, Key,
    Kind::{Bool, File, Integer, List, Secret, Text},
    Section, format, rules,
};

pub(super) static ADMIN: Section = Section {
    name: "the admin interface",
    keys: &[
        Key::new("address", Text(&format::LOOPBACK_ADDRESS), "A loopback address. It is read-only without a token.")
            .flag("--admin")
            .applies(Applies::Listener),
        Key::new("socket", Text(&format::FILE_NAME), "A Unix socket of mode 0600, which may change things.")
            .applies(Applies::Listener),
        Key::new("token", Secret(&SECRET), "Whoever sends it as `Authorization: Bearer` may change things.")
            .applies(Applies::Listener),
        Key::new("slow", Text(&format::DURATION), "From when on a request is slow, and listed at /requests.")
            .default("\"1s\"")
            .flag("--slow")
            .applies(Applies::Upgrade),
    ],
    rules: &[],
};

pub(super) static METRICS: Section = Section {
    name: "the metrics",
    keys: &[
        Key::new("address", Text(&format::ADDRESS), "Where /metrics, /healthz and /readyz are served to anybody.")
            .computed("only the admin interface")
            .flag("--metrics")
            .applies(Applies::Listener),
        Key::new("buckets", List(&Text(&format::DURATION)), "Upper bounds of the histograms' buckets, ascending.")
            .computed("17 bounds from 100us to 30s")
            .flag("--metrics-buckets")
            .applies(Applies::Upgrade),
        Key::new(
            "max_series",
            Integer(1_000, 10_000_000),
            "Maximum number of series; routes and backends beyond it have none of their own.",
        )
        .default("50000")
        .flag("--metrics-max-series")
        .applies(Applies::Upgrade),
    ],
    rules: &[],
};

pub(super) static ACCESS_LOG: Section = Section {
    name: "the access log",
    keys: &[
        Key::new("file", Text(&format::FILE_NAME), "The file that gets a line per request; - is the standard output.")
            .default("\"-\"")
            .flag("--access-log"),
        Key::new(
            "format",
            Text(&format::LOG_FORMAT),
            "json, common, combined, or a template such as '{time} {client} {status} {end}'.",
        )
        .default("\"json\"")
        .flag("--access-log-format"),
        Key::new(
            "sample",
            Text(&format::SAMPLE),
            "One of N requests that went well gets a line; all others always do.",
        )
        .default("\"1/1\"")
        .flag("--access-log-sample"),
        Key::new("redact_query", Bool, "Logs [redacted] instead of the query of a URL.")
            .default("false")
            .flag("--access-log-redact-query"),
    ],
    rules: &[],
};

pub(super) static ERROR_PAGE: Section = Section {
    name: "an error page",
    keys: &[
        Key::new("file", File, "The file with its body, read with the configuration."),
        Key::new("body", Text(&format::ANY_TEXT), "Its body."),
        Key::new("content_type", Text(&format::CONTENT_TYPE), "The Content-Type header.").default("\"text/html\""),
    ],
    rules: &[rules::one_body],
};
