//! The response head for a client: the backend's head, with the framing that this client understands.

use super::fields::{put_field, put_received_field, put_status_line};
use crate::http::parse::{field_name::KnownField, head::HeadView, message_info::Framing};

/// What the response says about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionHeader {
    /// No Connection header: it stays open.
    KeepAlive,
    /// `Connection: close`: this is the last response.
    Close,
    /// `Connection: Upgrade`: it switches to WebSocket.
    Upgrade,
}

/// Writes the head for the client, with the body framed as `framing`: without the backend's headers named in
/// `removed_fields`, and with the complete header lines in `added_fields`.
pub(crate) fn write_response_head(
    head: HeadView<'_>,
    framing: Framing,
    connection: ConnectionHeader,
    added_fields: &[u8],
    removed_fields: &[&str],
    out: &mut Vec<u8>,
) {
    put_status_line(out, head.status(), head.reason_phrase());
    if removed_fields.is_empty() {
        put_fields(head, framing, |_| false, out);
    } else {
        put_fields(head, framing, |name| is_listed(removed_fields, name), out);
    }
    if framing == Framing::Chunked {
        put_field(out, b"Transfer-Encoding", b"chunked");
    }
    out.extend_from_slice(added_fields);
    // RFC 9110 §15.5.22: Upgrade says which protocols the backend requires; §7.8: Connection must name it.
    let names_protocols = head.status() == 426 && put_upgrade_fields(head, out);
    match connection {
        ConnectionHeader::KeepAlive if names_protocols => put_field(out, b"Connection", b"Upgrade"),
        ConnectionHeader::KeepAlive => {}
        ConnectionHeader::Close if names_protocols => put_field(out, b"Connection", b"Upgrade, close"),
        ConnectionHeader::Close => put_field(out, b"Connection", b"close"),
        ConnectionHeader::Upgrade => out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the backend's Upgrade headers. Returns whether there is one.
fn put_upgrade_fields(head: HeadView<'_>, out: &mut Vec<u8>) -> bool {
    let values = head.field_values(KnownField::Upgrade);
    values.map(|value| put_field(out, b"Upgrade", value)).count() > 0
}

/// Writes the end-to-end fields that are not removed.
fn put_fields(head: HeadView<'_>, framing: Framing, is_removed: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
    for field in head.end_to_end_fields() {
        let is_forwarded = match field.known {
            KnownField::TransferEncoding => false,
            KnownField::ContentLength => matches!(framing, Framing::Length(_)),
            _ => !is_removed(field.name),
        };
        if is_forwarded {
            put_received_field(out, &field);
        }
    }
}

fn is_listed(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(name))
}
