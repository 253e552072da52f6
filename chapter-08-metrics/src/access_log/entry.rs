//! A finished request as a log shows it: with names instead of ids.

use std::{net::IpAddr, time::Duration};

use common::http::Exchange;
use connection_pooling::ClientBytes;

use super::{request_text::RequestText, timestamp::Timestamp};
use crate::end::End;

/// A finished request. Unknown names are empty.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What is kept of its head.
    pub text: &'a RequestText,
    /// Its record.
    pub exchange: &'a Exchange,
    /// When its first byte arrived.
    pub time: Timestamp,
    /// The address of its client's socket.
    pub peer: IpAddr,
    /// The name of its route.
    pub route: &'a str,
    /// The name of its group.
    pub group: &'a str,
    /// The name of the backend that was tried last.
    pub backend: &'a str,
    /// The name of the rate limit that refused it.
    pub limit: &'a str,
    /// How many attempts were made to get an answer from a backend.
    pub attempts: u8,
    /// How long the last new connection to a backend took; `None` if none was made.
    pub connect: Option<Duration>,
    /// Bytes on the client's connection.
    pub client_bytes: ClientBytes,
    /// Why it ended.
    pub end: End,
}
