//! How long each phase may take.

use crate::config::schema::{Applies, Key, Kind::Text, Section, format};

static CONNECT: Key =
    Key::new("connect", Text(&format::DURATION), "Connecting to a backend.").flag("--connect-timeout");
static FIRST_BYTE: Key =
    Key::new("first_byte", Text(&format::DURATION), "From the sent request to the first byte of the response.")
        .flag("--first-byte-timeout");
static STREAM: Key =
    Key::new("stream", Text(&format::DURATION), "Without progress in a response body of unknown length.")
        .flag("--stream-timeout");
static TUNNEL: Key = Key::new("tunnel", Text(&format::DURATION), "Without traffic in a tunnel, such as a WebSocket.")
    .flag("--tunnel-timeout");
static BODY: Key =
    Key::new("body", Text(&format::DURATION), "Without progress in a body of known length, or in writing.")
        .flag("--body-timeout");

/// Of all listeners, groups and routes that have none of their own.
pub(super) static TIMEOUTS: Section = Section {
    name: "timeouts",
    keys: &[
        CONNECT.default("\"3s\""),
        Key::new("head", Text(&format::DURATION), "A whole request head, from its first byte.")
            .default("\"10s\"")
            .flag("--head-timeout")
            .applies(Applies::Connections),
        FIRST_BYTE.default("\"30s\""),
        BODY.default("\"30s\""),
        Key::new("idle", Text(&format::DURATION), "An idle client connection between two requests.")
            .default("\"60s\"")
            .flag("--idle-timeout")
            .applies(Applies::Connections),
        STREAM.default("\"5m\""),
        TUNNEL.default("\"1h\""),
    ],
    rules: &[],
};

/// Of one group.
pub(super) static GROUP_TIMEOUTS: Section = Section {
    name: "a group's timeouts",
    keys: &[
        CONNECT.computed("the one of \"timeouts\""),
        FIRST_BYTE.computed("the one of \"timeouts\""),
        STREAM.computed("the one of \"timeouts\""),
        TUNNEL.computed("the one of \"timeouts\""),
    ],
    rules: &[],
};

/// Of one route.
pub(super) static ROUTE_TIMEOUTS: Section = Section {
    name: "a route's timeouts",
    keys: &[
        Key::new(
            "request",
            Text(&format::DURATION),
            "The whole request with all its tries, up to the end of the response.",
        ),
        Key::new("try", Text(&format::DURATION), "One try, up to the first byte of its response."),
        CONNECT.computed("the group's"),
        FIRST_BYTE.computed("the group's"),
        BODY.computed("the one of \"timeouts\""),
        STREAM.computed("the group's"),
        TUNNEL.computed("the group's"),
    ],
    rules: &[],
};
