//! The fields of a line about a session.
//!
//! Fields that chapter 8 has too have its names and meanings. Those of requests do not exist here: a session has no
//! status and no method, and a line must not invent any.

use lb_metrics::access_log::{
    log_field::LogField,
    style::{Style, write_address, write_number},
    timestamp::Timestamp,
};

use crate::session::record::SessionRecord;

/// A field of a line. The page has a table of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionField {
    /// When the connection was accepted, in UTC.
    Time,
    /// The client's address: the peer's, or the one that a PROXY header reports.
    Client,
    /// The client's port.
    ClientPort,
    /// The address of the connection's peer.
    Peer,
    /// The port of the connection's peer.
    PeerPort,
    /// The TLS server name that the client asked for.
    ServerName,
    /// The name of the group.
    Group,
    /// The backend that took the session.
    Backend,
    /// How many backends were connected to, or tried.
    Attempts,
    /// Milliseconds in the group's queue.
    QueueMs,
    /// Milliseconds until the connection to the backend was established.
    ConnectMs,
    /// Milliseconds from that connection to the backend's first byte.
    FirstByteMs,
    /// Milliseconds from the acceptance to the end.
    TotalMs,
    /// Bytes sent to the backend.
    BytesToBackend,
    /// Bytes sent to the client.
    BytesToClient,
    /// How many of both went through a pipe.
    BytesSpliced,
    /// How many of both were copied.
    BytesCopied,
    /// How the session ended.
    End,
}

/// A session that has ended, as a line shows it.
#[derive(Clone, Copy, Debug)]
pub struct SessionEntry<'a> {
    /// Its record.
    pub record: &'a SessionRecord,
    /// When it was accepted.
    pub time: Timestamp,
    /// The name of its group; empty if it was not routed.
    pub group: &'a str,
}

/// What one looks for first, for people.
const TEXT: &str = concat!(
    "{time} {client} {client_port} {group} {backend} connect={connect_ms} total={total_ms}",
    " to_backend={bytes_to_backend} to_client={bytes_to_client} {end}"
);

impl LogField for SessionField {
    type Entry<'a> = SessionEntry<'a>;

    const ALL: &'static [(Self, &'static str)] = &[
        (Self::Time, "time"),
        (Self::Client, "client"),
        (Self::ClientPort, "client_port"),
        (Self::Peer, "peer"),
        (Self::PeerPort, "peer_port"),
        (Self::ServerName, "server_name"),
        (Self::Group, "group"),
        (Self::Backend, "backend"),
        (Self::Attempts, "attempts"),
        (Self::QueueMs, "queue_ms"),
        (Self::ConnectMs, "connect_ms"),
        (Self::FirstByteMs, "first_byte_ms"),
        (Self::TotalMs, "total_ms"),
        (Self::BytesToBackend, "bytes_to_backend"),
        (Self::BytesToClient, "bytes_to_client"),
        (Self::BytesSpliced, "bytes_spliced"),
        (Self::BytesCopied, "bytes_copied"),
        (Self::End, "end"),
    ];
    const JSON_FIELDS: usize = Self::ALL.len();
    const TEMPLATES: &'static [(&'static str, &'static str)] = &[("text", TEXT)];

    fn is_text(self) -> bool {
        matches!(
            self,
            Self::Time | Self::Client | Self::Peer | Self::ServerName | Self::Group | Self::Backend | Self::End
        )
    }

    fn write(self, style: Style, out: &mut Vec<u8>, entry: &SessionEntry<'_>) {
        let record = entry.record;
        let (exchange, times) = (&record.exchange, record.exchange.times);
        let first_byte = || Some(times.first_byte?.saturating_sub(times.connected?));
        match self {
            Self::Time => entry.time.write_rfc3339(out),
            Self::Client => write_address(out, record.client.ip().to_canonical()),
            Self::ClientPort => write_number(out, record.client.port().into()),
            Self::Peer => write_address(out, record.peer.ip().to_canonical()),
            Self::PeerPort => write_number(out, record.peer.port().into()),
            Self::ServerName => style.text(out, record.server_name.as_deref().unwrap_or_default().as_bytes()),
            Self::Group => style.text(out, entry.group.as_bytes()),
            Self::Backend => match &record.backend {
                Some(backend) => style.text(out, backend.name().as_bytes()),
                None => style.text(out, b""),
            },
            // Each backend that failed is tried once, and the one that took the session comes last.
            Self::Attempts => write_number(out, u64::from(exchange.retries) + u64::from(record.backend.is_some())),
            Self::QueueMs => style.millis(out, times.queued),
            Self::ConnectMs => style.millis(out, record.connect),
            Self::FirstByteMs => style.millis(out, first_byte()),
            Self::TotalMs => style.millis(out, Some(times.total)),
            Self::BytesToBackend => write_number(out, exchange.bytes_from_client),
            Self::BytesToClient => write_number(out, exchange.bytes_from_backend),
            Self::BytesSpliced => write_number(out, record.spliced),
            Self::BytesCopied => write_number(out, record.copied()),
            Self::End => style.text(out, record.end.as_str().as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use lb_metrics::access_log::LogFormat;

    use super::*;

    #[test]
    fn every_field_has_its_place_and_the_page_explains_each() {
        let page = include_str!("../../README.md");
        let (_, section) = page.split_once("### The access log of sessions").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows: String = section.lines().filter(|line| line.starts_with("| `")).collect();
        for (index, (field, name)) in SessionField::ALL.iter().enumerate() {
            assert_eq!(*field as usize, index, "{name}: a JSON line has the order of the enum");
            assert!(rows.contains(&format!("`{name}`")), "the page has no row for {name}");
        }
        let text: Result<LogFormat<SessionField>, _> = "text".parse();
        assert!(text.is_ok_and(|text| text.has(SessionField::End)), "its template has no unknown field");
    }
}
