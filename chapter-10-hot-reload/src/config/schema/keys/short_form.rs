//! The short form: one listener, one group, one route. It is a superset of what earlier balancers of this course read.

use super::{
    group::{
        ALGORITHM, BACKEND, BREAKER_KEY, HASH_KEY, HEALTH_KEY, OUTLIER_KEY, QUEUE_KEY, RETRY_KEY, SLOW_START,
        STICKY_KEY,
    },
    root::{
        ACCESS_LOG_KEY, ADMIN_KEY, ERROR_PAGES, LIMIT_EXEMPT, LIMIT_HEADERS, LIMITS, LONG_LIVED_DRAIN,
        LONG_LIVED_DRAIN_JITTER, MAX_CLIENTS, METRICS_KEY, SHUTDOWN_DELAY, TRUSTED_PROXIES, WORKERS, ZERO_COPY_KEY,
    },
};
use crate::config::schema::{
    Applies, Key,
    Kind::{Integer, List, Object, Text, TextOrObject},
    Section, format, rules,
};

/// Keys of the full form's groups that may stand at the top of the short form.
pub const GROUP_KEYS: [&str; 9] =
    ["algorithm", "hash_key", "health", "outlier", "breaker", "retry", "queue", "slow_start", "sticky"];

const MILLIS: u64 = 365 * 24 * 3_600_000;
const SECONDS: u64 = 365 * 24 * 3_600;

static POOL: Section = Section {
    name: "the short form's pool",
    keys: &[
        Key::new("max_size", Integer(0, 1 << 20), "Idle connections per backend: `pool.idle_per_backend`.")
            .default("256"),
        Key::new("ttl", Integer(1, SECONDS), "Seconds: `pool.max_age`.").default("3600"),
    ],
    rules: &[],
};

static RATE_LIMIT: Section = Section {
    name: "the short form's rate limit",
    keys: &[
        Key::new("per_ip", Integer(1, 1_000_000), "Requests per second of one client: the limit `per_ip`."),
        Key::new("global", Integer(1, 1_000_000), "Requests per second in all: the limit `global`."),
        Key::new("burst", Integer(1, 1_000_000), "The burst of both.").computed("one second's worth"),
    ],
    rules: &[],
};

static TIMEOUTS: Section = Section {
    name: "the short form's timeouts",
    keys: &[
        Key::new("connect", Integer(1, MILLIS), "Milliseconds: `timeouts.connect`.").default("3000"),
        Key::new("read", Integer(1, MILLIS), "Milliseconds: `timeouts.first_byte` and `timeouts.stream`.")
            .computed("those of the full form"),
        Key::new("write", Integer(1, MILLIS), "Milliseconds: `timeouts.body`.").default("30000"),
        Key::new("idle", Integer(1, MILLIS), "Milliseconds: `timeouts.idle`.")
            .default("60000")
            .applies(Applies::Connections),
    ],
    rules: &[],
};

/// A whole configuration, in the short form.
pub static SHORT: Section = Section {
    name: "a configuration in the short form",
    keys: &[
        Key::new("listen_port", Integer(0, 65_535), "The port; 0 is one of the kernel's choice.")
            .default("8080")
            .flag("[PORT]")
            .applies(Applies::Listener),
        Key::new("bind_address", Text(&format::IP), "The IP address to listen on.")
            .default("\"127.0.0.1\"")
            .flag("--bind")
            .applies(Applies::Listener),
        Key::new("backlog", Integer(1, 65_535), "How many connections the kernel holds until they are accepted.")
            .default("1024")
            .applies(Applies::Listener),
        Key::new(
            "backends",
            List(&TextOrObject(&format::BACKEND, &BACKEND)),
            "The backends, as \"host:port[:weight]\" or as objects.",
        )
        .required()
        .flag("HOST:PORT[:WEIGHT]"),
        ALGORITHM,
        HASH_KEY,
        HEALTH_KEY,
        OUTLIER_KEY,
        BREAKER_KEY,
        RETRY_KEY,
        QUEUE_KEY,
        SLOW_START,
        STICKY_KEY,
        Key::new("pool", Object(&POOL), "Idle connections to backends."),
        Key::new("rate_limit", Object(&RATE_LIMIT), "Requests per second."),
        Key::new("timeouts", Object(&TIMEOUTS), "In milliseconds."),
        Key::new("drain_timeout", Integer(0, SECONDS), "Seconds: `drain`.").default("30").flag("--drain-timeout"),
        WORKERS,
        MAX_CLIENTS,
        TRUSTED_PROXIES,
        LIMITS,
        LIMIT_EXEMPT,
        LIMIT_HEADERS,
        ZERO_COPY_KEY,
        ADMIN_KEY,
        METRICS_KEY,
        ACCESS_LOG_KEY,
        ERROR_PAGES,
        SHUTDOWN_DELAY,
        LONG_LIVED_DRAIN,
        LONG_LIVED_DRAIN_JITTER,
    ],
    rules: &[rules::drain, rules::trusted_proxies, rules::group_backends, rules::group_algorithm],
};
