//! The head that a client gets: what the backend said, in the framing that this client understands.

use super::fields::{put_field, put_status_line};
use crate::http::parse::{field_name::Known, head::HeadView, message_info::Framing};

/// What a client is told of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing: it stays open.
    KeepAlive,
    /// This is its last response.
    Close,
    /// It changes to WebSocket.
    Upgrade,
}

/// Writes the head that the client gets, with the body framed as `framing` and whole field lines of our `own`.
pub(crate) fn write_response(head: HeadView<'_>, framing: Framing, ending: Ending, own: &[u8], out: &mut Vec<u8>) {
    put_status_line(out, head.status(), head.reason());
    for field in head.end_to_end() {
        let goes_on = match field.known {
            Known::TransferEncoding => false,
            Known::ContentLength => matches!(framing, Framing::Length(_)),
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
        Ending::KeepAlive => {}
        Ending::Close => put_field(out, b"Connection", b"close"),
        Ending::Upgrade => out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}
