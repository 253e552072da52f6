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
    http::StreamLayer,
    net::AcceptedConnection,
    shutdown::{Shutdown, ShutdownStage},
};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::mpsc::UnboundedReceiver,
    task::spawn_local,
    time::timeout,
};

use super::{
    accept::{accept, start_handed_off},
    context::WorkerContext,
    maintenance::maintain_pool,
};
use crate::server::Server;

/// Serves clients of `listener`, and those that other cores send to `door`, until the shutdown; then drains.
///
/// # Errors
/// The runtime could not start, or the listener failed.
pub(crate) fn run<L: StreamLayer>(
    server: Arc<Server>,
    layer: &impl Fn() -> L,
    place: usize,
    listener: StdListener,
    mut door: UnboundedReceiver<AcceptedConnection<StdStream>>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let core = Rc::new(WorkerContext::new(server, place));
        let helpers = [
            spawn_local(maintain_pool(Rc::clone(&core))),
            spawn_local(watch_shutdown(Rc::clone(&core), shutdown.clone())),
        ];
        let accepted = accept(&core, layer, listener, &mut door).await;
        if accepted.is_err() {
            shutdown.stop();
            core.set_stage(ShutdownStage::Stopping, now());
        }
        // Who was on the way here is served; who comes later stays where it was accepted.
        door.close();
        while let Some(newcomer) = door.recv().await {
            start_handed_off(&core, layer, newcomer);
        }
        poll_fn(|context| if core.is_empty(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        for helper in helpers {
            helper.abort();
        }
        accepted
    })
}

/// Tells the core's tasks how far the process is on its way out, and ends all patience when the drain has lasted too long.
async fn watch_shutdown(core: Rc<WorkerContext>, shutdown: Shutdown) {
    shutdown.reached(ShutdownStage::Draining).await;
    core.set_stage(ShutdownStage::Draining, now());
    let drain = core.balancer().config().timeouts.drain;
    if timeout(drain, shutdown.reached(ShutdownStage::Stopping)).await.is_err() {
        shutdown.stop();
    }
    core.set_stage(ShutdownStage::Stopping, now());
}
