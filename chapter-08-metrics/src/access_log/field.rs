//! The fields of a line about a request.

use common::{
    http::{Exchange, FailureKind, Version},
    instance_id::request_id_digits,
};

use super::{
    entry::Entry,
    escape::Escape,
    log_field::LogField,
    request_text::{HeadFacts, Text},
    style::{Style, write_address, write_number},
};

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// A field of a line. The page has a table of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field { $($(#[$doc])* $name,)+ }

        impl Field {
            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$name, $word)),+];
        }
    };
}

fields! {
    /// When the first byte of the request arrived, in UTC.
    Time = "time",
    /// The client's address: the peer's, or the one that a trusted proxy reports.
    Client = "client",
    /// The address of the client's socket.
    Peer = "peer",
    /// The method.
    Method = "method",
    /// The host, in lower case and without a port.
    Host = "host",
    /// The path, as it was received.
    Path = "path",
    /// The query, without the question mark.
    Query = "query",
    /// The status that the client was sent; 499 if it left before.
    Status = "status",
    /// The id that the backend got in `X-Request-ID`.
    RequestId = "request_id",
    /// The header `User-Agent`.
    UserAgent = "user_agent",
    /// The name of the route.
    Route = "route",
    /// The name of the group.
    Group = "group",
    /// The backend that was tried last.
    Backend = "backend",
    /// How many attempts were made to get an answer from a backend.
    Attempts = "attempts",
    /// Whether the last attempt used an idle connection.
    Reused = "reused",
    /// The rate limit that refused the request.
    Limit = "limit",
    /// Milliseconds in the group's queue.
    QueueMs = "queue_ms",
    /// Milliseconds until the last new connection to a backend was established.
    ConnectMs = "connect_ms",
    /// Milliseconds from the connection to the first byte of the response.
    FirstByteMs = "first_byte_ms",
    /// Milliseconds from the first byte of the request to its end.
    TotalMs = "total_ms",
    /// Bytes received from the client, with the head.
    BytesReceived = "bytes_received",
    /// Bytes sent to the client, with heads.
    BytesSent = "bytes_sent",
    /// Why the request ended.
    End = "end",
    /// What was wrong with a message that was refused.
    Detail = "detail",
    /// The header `Referer`.
    Referer = "referer",
    /// The version of HTTP.
    Protocol = "protocol",
    /// The time as the common log format has it.
    ClfTime = "clf_time",
    /// Method, target and version.
    RequestLine = "request_line",
}

/// Nobody is authenticated here, so the third word, the user, is `-`. `ident`, the second, is so everywhere.
const COMMON: &str = r#"{client} - - [{clf_time}] "{request_line}" {status} {bytes_sent}"#;
const COMBINED: &str =
    concat!(r#"{client} - - [{clf_time}] "{request_line}" {status} {bytes_sent}"#, r#" "{referer}" "{user_agent}""#);

impl LogField for Field {
    type Entry<'a> = Entry<'a>;

    const ALL: &'static [(Self, &'static str)] = Self::NAMES;
    const JSON_FIELDS: usize = 24;
    const TEMPLATES: &'static [(&'static str, &'static str)] = &[("common", COMMON), ("combined", COMBINED)];

    fn is_text(self) -> bool {
        !matches!(
            self,
            Self::Status
                | Self::Attempts
                | Self::Reused
                | Self::QueueMs
                | Self::ConnectMs
                | Self::FirstByteMs
                | Self::TotalMs
                | Self::BytesReceived
                | Self::BytesSent
        )
    }

    fn write(self, style: Style, out: &mut Vec<u8>, entry: &Entry<'_>) {
        let Entry { text, exchange, .. } = entry;
        let times = exchange.times;
        let first_byte = || Some(times.first_byte?.saturating_sub(times.connected?));
        match self {
            Self::Time => entry.time.write_rfc3339(out),
            Self::ClfTime => entry.time.write_clf(out),
            Self::Client => write_address(out, text.head.map_or(entry.peer, |head| head.client)),
            Self::Peer => write_address(out, entry.peer),
            Self::Method => style.text(out, text.get(Text::Method)),
            Self::Host => style.text(out, text.get(Text::Host)),
            Self::Path => style.text(out, text.get(Text::Path)),
            Self::Query => style.text(out, text.get(Text::Query)),
            Self::UserAgent => style.text(out, text.get(Text::UserAgent)),
            Self::Referer => style.text(out, text.get(Text::Referer)),
            Self::RequestLine => write_request_line(style.escape(), out, entry),
            Self::RequestId => match text.head {
                Some(HeadFacts { own_id: Some(id), .. }) => out.extend_from_slice(request_id_digits(id).as_flattened()),
                _ => style.text(out, text.get(Text::RequestId)),
            },
            Self::Protocol => style.text(out, text.head.map_or(b"", |head| protocol(head.version))),
            Self::Route => style.text(out, entry.route.as_bytes()),
            Self::Group => style.text(out, entry.group.as_bytes()),
            Self::Backend => style.text(out, entry.backend.as_bytes()),
            Self::Limit => style.text(out, entry.limit.as_bytes()),
            Self::End => style.text(out, entry.end.word().as_bytes()),
            Self::Detail => style.text(out, violation(exchange).as_bytes()),
            Self::Status => write_number(out, exchange.status.into()),
            Self::Attempts => write_number(out, entry.attempts.into()),
            Self::BytesReceived => write_number(out, entry.client_bytes.received),
            Self::BytesSent => write_number(out, entry.client_bytes.sent),
            Self::Reused => out.extend_from_slice(if exchange.reused { b"true" } else { b"false" }),
            Self::QueueMs => style.millis(out, times.queued),
            Self::ConnectMs => style.millis(out, entry.connect),
            Self::FirstByteMs => style.millis(out, first_byte()),
            Self::TotalMs => style.millis(out, Some(times.total)),
        }
    }
}

/// The rule of HTTP that a message has broken; empty if none has.
fn violation(exchange: &Exchange) -> String {
    match exchange.failure.map(|failure| failure.kind) {
        Some(FailureKind::Protocol(error)) => error.to_string(),
        _ => String::new(),
    }
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    }
}

/// `GET /path?query HTTP/1.1`, or `-` for an invalid head.
fn write_request_line(escape: Escape, out: &mut Vec<u8>, entry: &Entry<'_>) {
    let text = entry.text;
    let Some(head) = text.head else { return out.push(b'-') };
    escape.write(out, text.get(Text::Method));
    out.push(b' ');
    escape.write(out, text.get(Text::Path));
    let query = text.get(Text::Query);
    if !query.is_empty() {
        out.push(b'?');
        escape.write(out, query);
    }
    out.push(b' ');
    out.extend_from_slice(protocol(head.version));
}
