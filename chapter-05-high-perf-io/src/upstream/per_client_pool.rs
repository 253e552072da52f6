//! The idle connections to backends that one client's connection keeps.
//!
//! As in chapter 4, at most one per backend, and not shared with other clients. The loop gets an event where the thread
//! had to check: an idle connection that receives a FIN or data is closed at once.

use std::time::{Duration, Instant};

use common::http::{BackendId, NON_IDEMPOTENT_IDLE_LIMIT};
use mio::event::Event;

use crate::{socket::Socket, worker::token::SocketId};

/// How long a client may be idle before its connections to backends are closed. Otherwise ten thousand idle clients
/// would hold ten thousand connections to each backend.
pub(crate) const IDLE_UPSTREAM_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to a backend, and its id among the sockets of its client.
#[derive(Debug)]
pub(crate) struct UpstreamConnection {
    pub(crate) socket_id: SocketId,
    pub(crate) socket: Socket,
}

#[derive(Debug)]
struct IdleConnection {
    backend: BackendId,
    upstream: UpstreamConnection,
    idle_since: Instant,
}

/// The idle connections of one client.
#[derive(Debug, Default)]
pub(crate) struct PerClientPool {
    idle: Vec<IdleConnection>,
}

impl PerClientPool {
    // ANCHOR: take
    /// Takes the idle connection to `backend`, if it can be reused for such a request. For an idempotent request the
    /// readiness from past events is enough, and no system call is made: such a request can be retried.
    pub(crate) fn take(&mut self, backend: BackendId, idempotent: bool, now: Instant) -> Option<UpstreamConnection> {
        let at = self.idle.iter().position(|idle| idle.backend == backend)?;
        let IdleConnection { upstream, idle_since, .. } = self.idle.swap_remove(at);
        let was_just_used = now.saturating_duration_since(idle_since) < NON_IDEMPOTENT_IDLE_LIMIT;
        let is_reusable = if idempotent {
            upstream.socket.no_pending_input()
        } else {
            was_just_used && upstream.socket.peek_finds_no_input()
        };
        is_reusable.then_some(upstream)
    }
    // ANCHOR_END: take

    /// Keeps a connection whose response ended exactly where its framing said, unless more bytes have arrived.
    pub(crate) fn put(&mut self, backend: BackendId, upstream: UpstreamConnection, now: Instant) {
        self.idle.retain(|idle| idle.backend != backend);
        if upstream.socket.no_pending_input() {
            self.idle.push(IdleConnection { backend, upstream, idle_since: now });
        }
    }

    /// Records an event of an idle connection. Any event but writability closes it.
    pub(crate) fn on_event(&mut self, socket_id: SocketId, event: &Event) {
        let is_this = |idle: &IdleConnection| idle.upstream.socket_id == socket_id;
        if let Some(at) = self.idle.iter().position(is_this) {
            self.idle[at].upstream.socket.update_readiness(event);
            if !self.idle[at].upstream.socket.no_pending_input() {
                self.idle.swap_remove(at);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }

    /// Closes all of them, and frees the memory.
    pub(crate) fn clear(&mut self) {
        self.idle = Vec::new();
    }
}
