//! The head that a client gets: what the backend said, in the framing that this client understands.

use super::fields::{put_field, put_status_line};
use crate::http::parse::{field_name::KnownField, head::HeadView, message_info::Framing};

/// What a client is told of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionHeader {
    /// Nothing: it stays open.
    KeepAlive,
    /// This is its last response.
    Close,
    /// It changes to WebSocket.
    Upgrade,
}

/// Writes the head that the client gets, with the body framed as `framing` and whole field lines of our `own`.
pub(crate) fn write_response_head(
    head: HeadView<'_>,
    framing: Framing,
    ending: ConnectionHeader,
    own: &[u8],
    out: &mut Vec<u8>,
) {
    put_status_line(out, head.status(), head.reason_phrase());
    for field in head.end_to_end_fields() {
        let goes_on = match field.known {
            KnownField::TransferEncoding => false,
            KnownField::ContentLength => matches!(framing, Framing::Length(_)),
            _ => true,
        };
        if goes_on {
            put_field(out, field.name, field.value);
        }
    }
    if framing == Framing::Chunked {
        put_field(out, b"Transfer-Encoding", b"chunked");
    }
    out.extend_from_slice(own);
    match ending {
        ConnectionHeader::KeepAlive => {}
        ConnectionHeader::Close => put_field(out, b"Connection", b"close"),
        ConnectionHeader::Upgrade => out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}
