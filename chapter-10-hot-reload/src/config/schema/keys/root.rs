//! The top of a configuration.

use super::{
    group::GROUP,
    limit::LIMIT,
    listener::LISTENER,
    observe::{ACCESS_LOG, ADMIN, ERROR_PAGE, METRICS},
    route::ROUTE,
    timeouts::TIMEOUTS,
};
use crate::config::schema::{
    Applies, Key,
    Kind::{Choice, Dictionary, Feature, Integer, List, Named, Object, OneOrMore, Text},
    Namespace, Section, format, rules,
};

static LISTENERS: Key = Key::new("listeners", Named(Namespace::Listener, &LISTENER), "Where clients come in, by name.")
    .applies(Applies::Listener);
static ROUTES: Key =
    Key::new("routes", List(&Object(&ROUTE)), "Which request goes where. A request that no route is for gets 404.");
static GROUPS: Key =
    Key::new("groups", Named(Namespace::Group, &GROUP), "Backends that do the same, by name.").flag("--group");
pub(super) static LIMITS: Key =
    Key::new("limits", Named(Namespace::Limit, &LIMIT), "Limits on requests and bandwidth, by name.").flag("--limit");

static ZERO_COPY: Section = Section {
    name: "zero copy",
    keys: &[
        Key::new("threshold", Text(&format::SIZE), "tcp: splices once this many bytes have arrived without a pause.")
            .default("\"64KiB\"")
            .flag("--splice-threshold"),
        Key::new(
            "http_threshold",
            Text(&format::SIZE),
            "http: splices bodies of which as many bytes are still to come.",
        )
        .default("\"64KiB\"")
        .flag("--splice-threshold"),
        Key::new("pipe_size", Text(&format::SIZE), "The size of each pipe; the kernel may grant less.")
            .default("\"1MiB\"")
            .flag("--pipe-size"),
    ],
    rules: &[],
};

pub(super) static WORKERS: Key = Key::new("workers", Integer(1, 1_024), "Worker threads.")
    .computed("one per available core")
    .flag("--workers")
    .applies(Applies::Upgrade);
pub(super) static MAX_CLIENTS: Key =
    Key::new("max_clients", Integer(1, 1 << 24), "Maximum concurrent clients in all; at the limit, accepting pauses.")
        .computed("what the open file limit allows")
        .flag("--max-clients")
        .applies(Applies::Connections);
pub(super) static TRUSTED_PROXIES: Key = Key::new(
    "trusted_proxies",
    OneOrMore(&Text(&format::NETWORK)),
    "Proxies whose X-Forwarded-* headers are believed.",
)
.flag("--trusted-proxy")
.applies(Applies::Connections);
pub(super) static LIMIT_EXEMPT: Key =
    Key::new("limit_exempt", OneOrMore(&Text(&format::NETWORK)), "Clients that no limit applies to.")
        .flag("--limit-exempt");
pub(super) static LIMIT_HEADERS: Key = Key::new(
    "limit_headers",
    Choice(&["draft", "legacy", "both", "off"]),
    "Headers that tell clients about their limits: RateLimit, X-RateLimit-*, both or none.",
)
.default("\"draft\"")
.flag("--limit-headers");
pub(super) static ZERO_COPY_KEY: Key =
    Key::new("zero_copy", Feature(&ZERO_COPY), "Bytes move by splice, without a copy through user space.")
        .default("true")
        .flag("--copy")
        .applies(Applies::Upgrade);
pub(super) static ADMIN_KEY: Key = Key::new("admin", Feature(&ADMIN), "The admin interface.")
    .default("false")
    .flag("--admin")
    .applies(Applies::Listener);
pub(super) static METRICS_KEY: Key = Key::new("metrics", Feature(&METRICS), "Metrics for Prometheus.")
    .default("true")
    .flag("--metrics")
    .applies(Applies::Listener);
pub(super) static ACCESS_LOG_KEY: Key = Key::new("access_log", Feature(&ACCESS_LOG), "A line per request.")
    .default("false")
    .flag("--access-log, --log-requests");
pub(super) static ERROR_PAGES: Key = Key::new(
    "error_pages",
    Dictionary(&format::STATUS_OR_CLASS, &Object(&ERROR_PAGE)),
    "Bodies of the balancer's own responses, by status or class of them.",
);
pub(super) static SHUTDOWN_DELAY: Key = Key::new(
    "shutdown_delay",
    Text(&format::DURATION_OR_ZERO),
    "How long the program goes on accepting after it was told to stop, with 503 at /readyz.",
)
.default("\"0s\"");
static DRAIN: Key =
    Key::new("drain", Text(&format::DURATION_OR_ZERO), "How long requests in flight may take when the program stops.")
        .default("\"30s\"")
        .flag("--drain-timeout");
pub(super) static LONG_LIVED_DRAIN: Key = Key::new(
    "long_lived_drain",
    Text(&format::DURATION_OR_ZERO),
    "The same for tunnels, sessions and downloads, also of what a reload removed.",
)
.default("\"5m\"");
pub(super) static LONG_LIVED_DRAIN_JITTER: Key = Key::new(
    "long_lived_drain_jitter",
    Text(&format::PERCENT_OR_ZERO),
    "Each of them ends at a random time in this last part of it.",
)
.default("\"20%\"");

/// A whole configuration, in the full form.
pub static ROOT: Section = Section {
    name: "a configuration",
    keys: &[
        Key::new(
            "include",
            OneOrMore(&Text(&format::FILE_NAME)),
            "A file, or a directory whose *.json files are read in the order of their names. They may have listeners, routes, groups and limits.",
        ),
        WORKERS,
        MAX_CLIENTS,
        TRUSTED_PROXIES,
        LISTENERS.required(),
        ROUTES,
        GROUPS,
        LIMITS,
        LIMIT_EXEMPT,
        LIMIT_HEADERS,
        Key::new("timeouts", Object(&TIMEOUTS), "How long each phase may take.").default("{}"),
        ZERO_COPY_KEY,
        ADMIN_KEY,
        METRICS_KEY,
        ACCESS_LOG_KEY,
        ERROR_PAGES,
        SHUTDOWN_DELAY,
        DRAIN,
        LONG_LIVED_DRAIN,
        LONG_LIVED_DRAIN_JITTER,
    ],
    rules: &[rules::drain, rules::trusted_proxies],
};

/// An included file.
pub static INCLUDED: Section =
    Section { name: "an included file", keys: &[LISTENERS, ROUTES, GROUPS, LIMITS], rules: &[] };
