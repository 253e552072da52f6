//! The connections to backends that one client's connection keeps while it has nothing to ask.
//!
//! As in chapter 4 at most one for each backend, and they are shared with nobody. The loop hears of each what the thread
//! had to ask for: one that ends or speaks while it rests is closed there and then.

use std::time::{Duration, Instant};

use common::http::{BackendId, NON_IDEMPOTENT_IDLE_LIMIT};
use mio::event::Event;

use crate::{socket::Socket, worker::token::Number};

/// How long a client may be idle before its connections to backends are closed. Ten thousand clients that only listen
/// would else hold ten thousand connections to each backend.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// A connection to a backend, and its number among those of its client.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) number: Number,
    pub(crate) socket: Socket,
}

#[derive(Debug)]
struct Idle {
    backend: BackendId,
    upstream: Upstream,
    since: Instant,
}

/// Those that rest.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    idle: Vec<Idle>,
}

impl Upstreams {
    // ANCHOR: take
    /// Takes the connection to `backend`, if there is one that can be used for such a request. What may be sent again is
    /// sent without asking the kernel: its events have said what there was to say.
    pub(crate) fn take(&mut self, backend: BackendId, idempotent: bool, now: Instant) -> Option<Upstream> {
        let at = self.idle.iter().position(|idle| idle.backend == backend)?;
        let Idle { upstream, since, .. } = self.idle.swap_remove(at);
        let was_just_used = now.saturating_duration_since(since) < NON_IDEMPOTENT_IDLE_LIMIT;
        let is_fit =
            if idempotent { upstream.socket.is_quiet() } else { was_just_used && upstream.socket.is_quiet_now() };
        is_fit.then_some(upstream)
    }
    // ANCHOR_END: take

    /// Keeps one whose response ended exactly where its framing said; not if more has come.
    pub(crate) fn keep(&mut self, backend: BackendId, upstream: Upstream, now: Instant) {
        self.idle.retain(|idle| idle.backend != backend);
        if upstream.socket.is_quiet() {
            self.idle.push(Idle { backend, upstream, since: now });
        }
    }

    /// Takes note of an event of one that rests. Whatever it says but that it could be written to is its end.
    pub(crate) fn learn(&mut self, number: Number, event: &Event) {
        let is_this = |idle: &Idle| idle.upstream.number == number;
        if let Some(at) = self.idle.iter().position(is_this) {
            self.idle[at].upstream.socket.learn(event);
            if !self.idle[at].upstream.socket.is_quiet() {
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
