//! The connections to backends that one client's connection keeps while it has nothing to ask.
//!
//! As in chapter 4 at most one for each backend, and they are shared with nobody. The loop hears of each what the thread
//! had to ask for: one that ends or speaks while it rests is closed there and then.

use std::time::{Duration, Instant};

use common::http::{BackendId, NON_IDEMPOTENT_IDLE_LIMIT};
use mio::event::Event;

use crate::{socket::Socket, worker::token::SocketId};

/// How long a client may be idle before its connections to backends are closed. Ten thousand clients that only listen
/// would else hold ten thousand connections to each backend.
pub(crate) const IDLE_UPSTREAM_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to a backend, and its number among those of its client.
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

/// Those that rest.
#[derive(Debug, Default)]
pub(crate) struct PerClientPool {
    idle: Vec<IdleConnection>,
}

impl PerClientPool {
    // ANCHOR: take
    /// Takes the connection to `backend`, if there is one that can be used for such a request. What may be sent again is
    /// sent without asking the kernel: its events have said what there was to say.
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

    /// Keeps one whose response ended exactly where its framing said; not if more has come.
    pub(crate) fn put(&mut self, backend: BackendId, upstream: UpstreamConnection, now: Instant) {
        self.idle.retain(|idle| idle.backend != backend);
        if upstream.socket.no_pending_input() {
            self.idle.push(IdleConnection { backend, upstream, idle_since: now });
        }
    }

    /// Takes note of an event of one that rests. Whatever it says but that it could be written to is its end.
    pub(crate) fn on_event(&mut self, number: SocketId, event: &Event) {
        let is_this = |idle: &IdleConnection| idle.upstream.socket_id == number;
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

    /// Closes them all, and gives their places back.
    pub(crate) fn clear(&mut self) {
        self.idle = Vec::new();
    }
}
