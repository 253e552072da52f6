//! Backends that do the same, and how one is picked.

use super::{
    ALGORITHMS,
    health::{BREAKER, HEALTH, OUTLIER},
    timeouts::GROUP_TIMEOUTS,
};
use crate::config::schema::{
    Key,
    Kind::{Bool, Choice, Feature, File, Integer, List, Number, Object, OrFalse, Secret, Text, TextOrObject},
    Section, format, rules,
};

pub(super) static BACKEND: Section = Section {
    name: "a backend",
    keys: &[
        Key::new("host", Text(&format::BACKEND_HOST), "A host name or an IP address.").required(),
        Key::new("port", Integer(1, 65_535), "Its port.").required(),
        Key::new(
            "weight",
            Integer(0, 65_535),
            "Its share of new requests relative to the others; 0: only clients that stick to it.",
        )
        .default("1"),
        Key::new("max_connections", Integer(1, 1 << 24), "Maximum concurrent requests.")
            .computed("the group's")
            .flag("--max-connections"),
        Key::new("backup", Bool, "Used only while no other backend can be.").default("false"),
    ],
    rules: &[],
};

static RETRY: Section = Section {
    name: "a retry policy",
    keys: &[
        Key::new("retries", Integer(0, 100), "Maximum retries per request, each on another backend.")
            .default("1")
            .flag("--retries"),
        Key::new("budget", Text(&format::PERCENT), "Retries in flight, as a share of the group's requests in flight.")
            .default("\"20%\""),
        Key::new("budget_min", Integer(0, 1_000_000), "As many are always allowed.").default("3"),
    ],
    rules: &[],
};

static QUEUE: Section = Section {
    name: "a queue",
    keys: &[
        Key::new("size", Integer(0, 1 << 20), "Maximum queued requests.").default("1024").flag("--queue"),
        Key::new("timeout", Text(&format::DURATION), "Maximum time in the queue.")
            .default("\"5s\"")
            .flag("--queue-timeout"),
    ],
    rules: &[],
};

static SHED: Section = Section {
    name: "load shedding",
    keys: &[
        Key::new("algorithm", Choice(&["aimd", "gradient"]), "How the limit on requests in flight adapts.")
            .default("\"aimd\"")
            .flag("--shed"),
        Key::new("threshold", Text(&format::DURATION), "aimd: a time to first byte above it is a sign of overload.")
            .default("\"1s\"")
            .flag("--shed-threshold"),
        Key::new(
            "target",
            Text(&format::DURATION),
            "Acceptable queueing delay; while it is exceeded for long, the newest request is served first.",
        )
        .default("\"100ms\"")
        .flag("--shed-target"),
    ],
    rules: &[],
};

/// A secret is never written into a configuration.
pub(super) static SECRET: Section = Section {
    name: "a secret",
    keys: &[
        Key::new("file", File, "The file that holds it."),
        Key::new("env", Text(&format::VARIABLE), "The environment variable that holds it."),
    ],
    rules: &[rules::one_secret],
};

static STICKY: Section = Section {
    name: "a session affinity",
    keys: &[
        Key::new("cookie", Text(&format::COOKIE_NAME), "The name of the cookie that holds a client to its backend.")
            .default("\"lb\"")
            .flag("--sticky"),
        Key::new("secret", Secret(&SECRET), "What signs the cookie, at least 16 bytes.")
            .computed("a random one per process")
            .flag("--sticky-secret-file"),
        Key::new(
            "source",
            Text(&format::DURATION),
            "Affinity by client address too (IPv6: /64); an entry expires after this idle time.",
        )
        .flag("--sticky-source"),
    ],
    rules: &[],
};

static POOL: Section = Section {
    name: "a connection pool",
    keys: &[
        Key::new("idle_per_backend", Integer(0, 1 << 20), "Maximum idle connections per backend, over all workers.")
            .default("256")
            .flag("-p, --idle-per-backend"),
        Key::new("idle_total", Integer(0, 1 << 24), "Maximum idle connections of the group.")
            .default("4096")
            .flag("--idle-total"),
        Key::new(
            "idle_timeout",
            Text(&format::DURATION),
            "An idle connection closes after this time; keep it below the backends' own.",
        )
        .default("\"30s\"")
        .flag("--upstream-idle-timeout"),
        Key::new("max_age", Text(&format::DURATION), "Maximum age of a connection.")
            .default("\"1h\"")
            .flag("--upstream-max-age"),
        Key::new("max_requests", Integer(1, 1 << 32), "Maximum requests of a connection.")
            .default("10000")
            .flag("--upstream-max-requests"),
        Key::new("warm_up", Integer(0, 1 << 16), "Connections opened to each backend before the first request.")
            .default("0")
            .flag("--warm-up"),
    ],
    rules: &[],
};

// These stand at the top of the short form too.
pub(super) static ALGORITHM: Key = Key::new("algorithm", Choice(ALGORITHMS), "How a backend is picked.")
    .computed("rr, or wrr if a backend has a weight")
    .flag("-a");
pub(super) static HASH_KEY: Key = Key::new(
    "hash_key",
    Text(&format::HASH_KEY),
    "What the hashing algorithms hash: source, host, path, target, header:NAME, cookie:NAME.",
)
.default("\"source\"")
.flag("--hash-key");
pub(super) static HEALTH_KEY: Key =
    Key::new("health", Feature(&HEALTH), "Active health checks.").default("true").flag("--check");
pub(super) static OUTLIER_KEY: Key = Key::new("outlier", Feature(&OUTLIER), "Ejection of backends that fail requests.")
    .default("true")
    .flag("--eject-after");
pub(super) static BREAKER_KEY: Key =
    Key::new("breaker", Feature(&BREAKER), "The group's circuit breaker. Off in a file, on for a command line.")
        .default("false")
        .flag("--breaker");
pub(super) static RETRY_KEY: Key =
    Key::new("retry", Feature(&RETRY), "Retries of requests that failed before their response began.")
        .default("true")
        .flag("--retries");
pub(super) static QUEUE_KEY: Key =
    Key::new("queue", Feature(&QUEUE), "Where requests wait while all backends are at their limits.")
        .default("true")
        .flag("--queue");
pub(super) static SLOW_START: Key = Key::new(
    "slow_start",
    OrFalse(&Text(&format::DURATION)),
    "How long a recovered backend takes to reach its full share.",
)
.default("\"30s\"")
.flag("--slow-start");
pub(super) static STICKY_KEY: Key =
    Key::new("sticky", Feature(&STICKY), "Session affinity.").default("false").flag("--sticky");

pub(super) static GROUP: Section = Section {
    name: "a group",
    keys: &[
        Key::new(
            "backends",
            List(&TextOrObject(&format::BACKEND, &BACKEND)),
            "Its backends, as \"host:port[:weight]\" or as objects.",
        )
        .required()
        .flag("HOST:PORT[:WEIGHT]"),
        ALGORITHM,
        HASH_KEY,
        Key::new(
            "balance_factor",
            Number(1.0, 100.0),
            "Bounded load for ketama, rendezvous and maglev: most requests of a backend relative to the average.",
        )
        .flag("--balance-factor"),
        Key::new(
            "max_connections",
            Integer(1, 1 << 24),
            "Maximum concurrent requests of each backend that has no limit of its own.",
        )
        .flag("--max-connections"),
        HEALTH_KEY,
        Key::new("down_time", Text(&format::DURATION), "How long a backend stays marked down after a failed connect.")
            .default("\"10s\"")
            .flag("--down-time"),
        OUTLIER_KEY,
        BREAKER_KEY,
        RETRY_KEY,
        QUEUE_KEY,
        Key::new("shed", Feature(&SHED), "Load shedding: an adaptive limit on requests in flight.")
            .default("false")
            .flag("--shed"),
        SLOW_START,
        STICKY_KEY,
        Key::new("pool", Object(&POOL), "Idle connections to backends.").default("{}"),
        Key::new(
            "upstream_host",
            Text(&format::UPSTREAM_HOST),
            "The Host header that backends get: client (as it came), backend (its host and port), or this host.",
        )
        .default("\"client\""),
        Key::new("send_proxy", Choice(&["v1", "v2"]), "tcp and udp: sends a PROXY header of this version; udp: v2.")
            .flag("--send-proxy"),
        Key::new("resolve_interval", Text(&format::DURATION), "The time between two look-ups of the backends' names.")
            .default("\"10s\"")
            .flag("--resolve-interval"),
        Key::new("timeouts", Object(&GROUP_TIMEOUTS), "Its own timeouts."),
    ],
    rules: &[rules::group_backends, rules::group_algorithm],
};
