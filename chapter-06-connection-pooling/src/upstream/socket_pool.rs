//! The pool as a core uses it: with sockets, a shelf behind it, and somebody who looks after what rests.

use std::{
    collections::HashSet,
    net::{SocketAddr, TcpStream as StdStream},
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::{
    admin::Operations as _,
    balance::backend::{Backend, State},
};
use common::{clock::now, http::NON_IDEMPOTENT_IDLE_LIMIT};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::connection::{Upstream, is_fit, is_quiet, is_quiet_now};
use crate::{
    pool::{Counts, Idle, Peer, Pool, Removed, Why},
    worker::context::Core,
};

/// How long a connection has to rest before it is a surplus of its core.
const SURPLUS: Duration = Duration::from_secs(5);

// ANCHOR: take
/// Takes a connection to `backend` that rests and may have such a request: the core's own, or else the shelf's.
pub(crate) fn take(core: &Core, backend: &Backend, idempotent: bool, now: Instant) -> Option<Upstream> {
    let counts = core.counts();
    let within = if idempotent { Duration::MAX } else { NON_IDEMPOTENT_IDLE_LIMIT };
    let mut pool = core.pool.borrow_mut();
    for address in backend.addresses() {
        let peer = Peer { address };
        let fit = |stream: &mut TcpStream| is_fit(stream, idempotent);
        if let Some(idle) = pool.take(peer, now, within, fit, |removed| count(counts, removed.why)) {
            counts.hits(1);
            return Some(Upstream { stream: idle.connection, peer, life: idle.life });
        }
    }
    if core.shelf().is_empty() || !idempotent {
        return None;
    }
    backend.addresses().find_map(|address| take_from_shelf(core, Peer { address }, now))
}
// ANCHOR_END: take

/// Takes connections from the shelf until one is fit.
fn take_from_shelf(core: &Core, peer: Peer, now: Instant) -> Option<Upstream> {
    let counts = core.counts();
    loop {
        let Idle { connection, life, .. } = core.shelf().take(peer, now, |removed| count(counts, removed.why))?;
        if !is_quiet_now(&SockRef::from(&connection)) {
            counts.stale(1);
        } else if let Ok(stream) = TcpStream::from_std(connection) {
            counts.moved(1);
            return Some(Upstream { stream, peer, life });
        }
    }
}

/// Keeps a connection whose response ended exactly where its framing said; not if more has come.
pub(crate) fn keep(core: &Core, upstream: Upstream, now: Instant) {
    let Upstream { stream, peer, mut life } = upstream;
    life.requests = life.requests.saturating_add(1);
    if !is_quiet(&stream) {
        core.counts().stale(1);
        return;
    }
    lay_down(core, Upstream { stream, peer, life }, now);
}

/// What the pool has no room for may lie on the shelf. What must not be used again is closed.
fn give_away(core: &Core, removed: Removed<TcpStream>) {
    let Removed { peer, idle, why } = removed;
    if why != Why::Full || !core.server.is_shared() {
        return count(core.counts(), why);
    }
    let Idle { connection, life, since } = idle;
    // Taken from this core's poller: another one may give it to its own.
    let Ok(connection) = connection.into_std() else { return core.counts().evicted(1) };
    if let Some(removed) = core.shelf().put(peer, Idle { connection, life, since }) {
        count(core.counts(), removed.why);
    }
}

/// Closes the connection of this core that has rested longest, or else one of the shelf: a descriptor is needed.
pub(crate) fn give_one_up(core: &Core) -> bool {
    let now = now();
    let is_given_up = core.pool.borrow_mut().take_surplus(Duration::ZERO, now).is_some()
        || core.shelf().take_surplus(Duration::ZERO, now).is_some();
    core.counts().evicted(usize::from(is_given_up));
    is_given_up
}

// ANCHOR: sweep
/// Looks after what rests: closes what has ended, has had its time, or leads to nobody, and lays on the shelf what this
/// core has not needed for a while.
pub(crate) fn sweep(core: &Core, wanted: &HashSet<SocketAddr>) {
    let (now, counts) = (now(), core.counts());
    let is_wanted = |peer: Peer| wanted.contains(&peer.address);
    let discard =
        |peer, why| if why == Why::Unfit && !is_wanted(peer) { counts.dropped(1) } else { count(counts, why) };
    let mut pool = core.pool.borrow_mut();
    let fit = |peer, stream: &mut TcpStream| is_wanted(peer) && is_quiet(stream);
    pool.sweep(now, fit, |removed| match removed.why {
        Why::Full => give_away(core, removed),
        why => discard(removed.peer, why),
    });
    if core.place == 0 {
        let fit = |peer, stream: &mut StdStream| is_wanted(peer) && is_quiet_now(&SockRef::from(&*stream));
        core.shelf().sweep(now, fit, |removed| discard(removed.peer, removed.why));
    }
    if core.server.is_shared() {
        share(core, &mut pool, now);
    }
}
// ANCHOR_END: sweep

/// Lays on the shelf what has rested for long, as long as there is room.
fn share(core: &Core, pool: &mut Pool<TcpStream>, now: Instant) {
    while core.shelf().has_room()
        && let Some((peer, idle)) = pool.take_surplus(SURPLUS, now)
    {
        give_away(core, Removed { peer, idle, why: Why::Full });
    }
}

/// The addresses of the backends that may be asked now.
pub(crate) fn wanted(core: &Core, now: Instant) -> HashSet<SocketAddr> {
    let backends = core.balancer().cluster().backends();
    let is_up = |backend: &&Arc<Backend>| !matches!(backend.state(now), State::Down | State::Refused { .. });
    backends.iter().filter(is_up).flat_map(|backend| backend.addresses()).collect()
}

fn count(counts: &Counts, why: Why) {
    match why {
        Why::Full => counts.evicted(1),
        Why::Expired => counts.expired(1),
        Why::Unfit => counts.stale(1),
    }
}

/// Lays down a connection, used or new. What the pool has no room for is given away.
pub(crate) fn lay_down(core: &Core, upstream: Upstream, now: Instant) {
    let Upstream { stream, peer, life } = upstream;
    let removed = core.pool.borrow_mut().put(peer, stream, life, now);
    if let Some(removed) = removed {
        give_away(core, removed);
    }
}
