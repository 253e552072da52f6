//! A connection to a backend, and whether it may be reused.

use std::{
    io::{self, ErrorKind},
    mem::MaybeUninit,
};

use common::net::ConnectAttempt;
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use crate::pool::{ConnectionMeta, PoolKey};

/// A connection in use.
#[derive(Debug)]
pub(crate) struct UpstreamConnection {
    pub(crate) stream: TcpStream,
    pub(crate) key: PoolKey,
    pub(crate) meta: ConnectionMeta,
}

impl UpstreamConnection {
    /// A connection that has just been established.
    pub(crate) fn new(attempt: ConnectAttempt<TcpStream>) -> Self {
        let (key, meta) = (PoolKey { address: attempt.address }, ConnectionMeta::new(attempt.started_at));
        Self { stream: attempt.socket, key, meta }
    }
}

// ANCHOR: reusable
/// Whether no unread bytes, FIN or error have arrived. If the poller has reported nothing, that is the answer, and no
/// system call is made.
pub(crate) fn no_pending_input(stream: &TcpStream) -> bool {
    let peeked = stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream)));
    matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Whether a request may use this connection. For a request that must not be sent twice, the kernel is asked too: an
/// event may not have been delivered yet.
pub(crate) fn is_reusable(stream: &TcpStream, idempotent: bool) -> bool {
    no_pending_input(stream) && (idempotent || peek_finds_no_input(&SockRef::from(stream)))
}
// ANCHOR_END: reusable

/// As [`no_pending_input`], checked with the kernel.
pub(crate) fn peek_finds_no_input(socket: &SockRef<'_>) -> bool {
    matches!(peek(socket), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn peek(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.peek(&mut [MaybeUninit::uninit()])
}
