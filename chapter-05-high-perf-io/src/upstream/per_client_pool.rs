//! The idle connections to backends that one client's connection keeps.
//!
//! As in chapter 4, at most one per backend, and not shared with other clients. The loop gets an event where the thread
//! had to check: an idle connection that receives a FIN or data is closed at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::balance::{backend::Backend, keep_alive::KeepAlive};
use common::http::BackendId;
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

/// The idle connections of one client.
#[derive(Debug, Default)]
pub(crate) struct PerClientPool {
    slots: Vec<Slot>,
}

/// The place of the idle connection to one backend. It stays while that is in use.
#[derive(Debug)]
struct Slot {
    backend: BackendId,
    keep_alive: Arc<KeepAlive>,
    idle: Option<IdleConnection>,
}

#[derive(Debug)]
struct IdleConnection {
    upstream: UpstreamConnection,
    idle_since: Instant,
}

impl PerClientPool {
    // ANCHOR: take
    /// Takes the idle connection to `backend`, if it can be reused for such a request. For an idempotent request the
    /// readiness from past events is enough, and no system call is made: such a request can be retried.
    pub(crate) fn take(&mut self, backend: BackendId, idempotent: bool, now: Instant) -> Option<UpstreamConnection> {
        let Slot { keep_alive, idle, .. } = self.slots.iter_mut().find(|slot| slot.backend == backend)?;
        let IdleConnection { upstream, idle_since } = idle.take()?;
        let idle_for = now.saturating_duration_since(idle_since);
        let socket = &upstream.socket;
        let is_open = if idempotent { socket.no_pending_input() } else { socket.peek_finds_no_input() };
        if !is_open {
            keep_alive.record_close(idle_for);
            return None;
        }
        keep_alive.allows_reuse(idle_for, idempotent).then_some(upstream)
    }
    // ANCHOR_END: take

    /// Keeps a connection whose response ended exactly where its framing said, unless more bytes have arrived.
    pub(crate) fn put(&mut self, backend: &Backend, upstream: UpstreamConnection, now: Instant) {
        if !upstream.socket.no_pending_input() {
            backend.keep_alive.record_close(Duration::ZERO);
            return;
        }
        let idle = Some(IdleConnection { upstream, idle_since: now });
        match self.slots.iter_mut().find(|slot| slot.backend == backend.id()) {
            Some(slot) => slot.idle = idle,
            None => {
                self.slots.push(Slot { backend: backend.id(), keep_alive: Arc::clone(&backend.keep_alive), idle });
            }
        }
    }

    /// Records an event of an idle connection. Any event but writability closes it.
    pub(crate) fn on_event(&mut self, socket_id: SocketId, event: &Event, now: Instant) {
        for Slot { keep_alive, idle, .. } in &mut self.slots {
            let Some(IdleConnection { upstream, idle_since }) = idle else { continue };
            if upstream.socket_id != socket_id {
                continue;
            }
            upstream.socket.update_readiness(event);
            if !upstream.socket.no_pending_input() {
                keep_alive.record_close(now.saturating_duration_since(*idle_since));
                *idle = None;
            }
            return;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.idle.is_none())
    }

    /// Closes all of them, and frees the memory.
    pub(crate) fn clear(&mut self) {
        self.slots = Vec::new();
    }
}
