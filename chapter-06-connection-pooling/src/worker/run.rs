//! A worker from its start to its end: it accepts, until the process drains and its last client has left.
//!
//! Its clients' tasks are spawned on the same runtime and stay there: what they share is in an `Rc` and in cells. Each of
//! them ends by itself once it has been told of the end ([`Core::reach`]), and the worker waits for the last.

use std::{
    future::poll_fn,
    io,
    net::{TcpListener as StdListener, TcpStream as StdStream},
    rc::Rc,
    sync::Arc,
    task::Poll,
};

use common::{
    clock::now,
    http::Layer,
    net::AcceptedConnection,
    shutdown::{Shutdown, Stage},
};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::mpsc::UnboundedReceiver,
    task::spawn_local,
    time::timeout,
};

use super::{
    accept::{accept, take_in},
    context::Core,
    maintenance::look_after,
};
use crate::server::Server;

/// Serves clients of `listener`, and those that other cores send to `door`, until the shutdown; then drains.
///
/// # Errors
/// The runtime could not start, or the listener failed.
pub(crate) fn run<L: Layer>(
    server: Arc<Server>,
    layer: &impl Fn() -> L,
    place: usize,
    listener: StdListener,
    mut door: UnboundedReceiver<AcceptedConnection<StdStream>>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let core = Rc::new(Core::new(server, place));
        let helpers =
            [spawn_local(look_after(Rc::clone(&core))), spawn_local(heed(Rc::clone(&core), shutdown.clone()))];
        let accepted = accept(&core, layer, listener, &mut door).await;
        if accepted.is_err() {
            shutdown.now();
            core.reach(Stage::Now, now());
        }
        // Who was on the way here is served; who comes later stays where it was accepted.
        door.close();
        while let Some(newcomer) = door.recv().await {
            take_in(&core, layer, newcomer);
        }
        poll_fn(|context| if core.is_deserted(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        for helper in helpers {
            helper.abort();
        }
        accepted
    })
}

/// Tells the core's tasks how far the process is on its way out, and ends all patience when the drain has lasted too long.
async fn heed(core: Rc<Core>, shutdown: Shutdown) {
    shutdown.reached(Stage::Draining).await;
    core.reach(Stage::Draining, now());
    let drain = core.balancer().config().timeouts.drain;
    if timeout(drain, shutdown.reached(Stage::Now)).await.is_err() {
        shutdown.now();
    }
    core.reach(Stage::Now, now());
}
