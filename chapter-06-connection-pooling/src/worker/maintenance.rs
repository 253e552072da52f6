//! The task that looks after a worker's pool: it sweeps what is idle, and opens connections before the first request.

use std::{collections::HashSet, rc::Rc, time::Duration};

use common::clock::now;
use tokio::{task::JoinSet, time::interval};

use super::context::Core;
use crate::{
    pool::Peer,
    upstream::{connect::dial, socket_pool},
};

/// How often what rests is looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Looks after the pool, and has connections made before they are needed.
pub(crate) async fn look_after(core: Rc<Core>) {
    let mut wanted_before = HashSet::new();
    // Each on a task of its own: who does not answer holds up neither the others nor the sweep.
    let mut warming = JoinSet::new();
    let mut turns = interval(SWEEP);
    loop {
        turns.tick().await;
        while warming.try_join_next().is_some() {}
        let wanted = socket_pool::wanted(&core, now());
        socket_pool::sweep(&core, &wanted);
        for &address in wanted.difference(&wanted_before) {
            warming.spawn_local(warm_up(Rc::clone(&core), Peer { address }));
        }
        wanted_before = wanted;
    }
}

/// Makes this core's part of the connections that are to wait for the first requests to a backend that is new or back.
async fn warm_up(core: Rc<Core>, peer: Peer) {
    let missing = core.server.warm_part(core.place).saturating_sub(core.pool.borrow().len_of(peer));
    for _ in 0..missing {
        let deadline = now() + core.balancer().config().timeouts.connect;
        match dial(std::iter::once(peer.address), deadline).await {
            Ok(upstream) => {
                core.counts().warmed(1);
                socket_pool::lay_down(&core, upstream, now());
            }
            Err(error) => {
                tracing::info!("warm-up connect to {} failed: {error}", peer.address);
                return;
            }
        }
    }
}
