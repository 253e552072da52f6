//! Where clients come in.

use crate::config::schema::{
    Applies, Key,
    Kind::{Choice, Integer, List, Object, OneOrMore, Reference, Text},
    Namespace, Section, format, rules,
};

static UDP: Section = Section {
    name: "the options of a udp listener",
    keys: &[
        Key::new("timeout", Text(&format::DURATION), "A flow ends when it has had no datagram for this long.")
            .default("\"30s\"")
            .flag("--udp-timeout"),
        Key::new("max_flows", Integer(1, 1 << 24), "Maximum flows; datagrams that would begin another are dropped.")
            .default("65536")
            .flag("--max-flows"),
        Key::new("max_flows_per_source", Integer(1, 1 << 24), "Maximum flows per source address (IPv6: /64).")
            .default("1024")
            .flag("--max-flows-per-source"),
    ],
    rules: &[],
};

static SNI: Section = Section {
    name: "a rule for TLS server names",
    keys: &[
        Key::new("host", Text(&format::HOST), "The server name of the ClientHello.")
            .computed("any")
            .flag("--sni")
            .applies(Applies::Connections),
        Key::new("alpn", Text(&format::ANY_TEXT), "A protocol that the client offers.")
            .computed("any")
            .flag("--sni …alpn=")
            .applies(Applies::Connections),
        Key::new("group", Reference(Namespace::Group), "Where such sessions go.")
            .required()
            .applies(Applies::Connections),
    ],
    rules: &[],
};

pub(super) static LISTENER: Section = Section {
    name: "a listener",
    keys: &[
        Key::new("address", Text(&format::ADDRESS), "Where it listens; port 0 is one of the kernel's choice.")
            .required()
            .flag("[PORT], --bind")
            .applies(Applies::Listener),
        Key::new("protocol", Choice(&["http", "tcp", "udp"]), "What is balanced: requests, connections or datagrams.")
            .default("\"http\"")
            .flag("--mode")
            .applies(Applies::Listener),
        Key::new("backlog", Integer(1, 65_535), "How many connections the kernel holds until they are accepted.")
            .only_if("protocol", &["http", "tcp"])
            .default("1024")
            .applies(Applies::Listener),
        Key::new("max_clients", Integer(1, 1 << 24), "Maximum concurrent clients of this listener.")
            .only_if("protocol", &["http", "tcp"])
            .computed("the process's")
            .applies(Applies::Connections),
        Key::new(
            "max_clients_per_ip",
            Integer(1, 1 << 24),
            "Maximum concurrent connections per peer address (IPv6: /64).",
        )
        .only_if("protocol", &["http", "tcp"])
        .flag("--max-clients-per-ip")
        .applies(Applies::Connections),
        Key::new(
            "accept_proxy",
            OneOrMore(&Text(&format::NETWORK)),
            "Peers whose connections begin with a PROXY header, version 1 or 2.",
        )
        .only_if("protocol", &["http", "tcp"])
        .flag("--accept-proxy")
        .applies(Applies::Connections),
        Key::new(
            "prelude_timeout",
            Text(&format::DURATION),
            "How long a client may take for its PROXY header and its first TLS message.",
        )
        .only_if("protocol", &["http", "tcp"])
        .default("\"5s\"")
        .flag("--prelude-timeout")
        .applies(Applies::Connections),
        Key::new(
            "group",
            Reference(Namespace::Group),
            "Where connections and datagrams go; requests go where routes lead them.",
        )
        .only_if("protocol", &["tcp", "udp"]),
        Key::new("sni", List(&Object(&SNI)), "Groups by TLS server name, without decryption; the first match wins.")
            .only_if("protocol", &["tcp"])
            .flag("--sni")
            .applies(Applies::Connections),
        Key::new("session_timeout", Text(&format::DURATION), "A session ends when no byte has moved for this long.")
            .only_if("protocol", &["tcp"])
            .default("\"1h\"")
            .flag("--session-timeout")
            .applies(Applies::Connections),
        Key::new("udp", Object(&UDP), "Flows of datagrams.").only_if("protocol", &["udp"]),
        Key::new(
            "max_connection_age",
            Text(&format::DURATION),
            "A connection closes with its next response once it is this old.",
        )
        .only_if("protocol", &["http"])
        .applies(Applies::Connections),
        Key::new(
            "max_connection_age_jitter",
            Text(&format::PERCENT_OR_ZERO),
            "How much that varies between connections.",
        )
        .only_if("protocol", &["http"])
        .default("\"10%\"")
        .applies(Applies::Connections),
        Key::new(
            "min_body_rate",
            Text(&format::BYTE_RATE),
            "The least average rate of a request body, after a grace period of 5 s.",
        )
        .only_if("protocol", &["http"])
        .flag("--min-body-rate"),
    ],
    rules: &[rules::listener_group],
};
