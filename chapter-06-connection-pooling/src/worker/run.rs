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

/// Serves clients of `listener`, and those that other workers send to `door`, until the shutdown; then drains.
///
/// # Errors
/// The runtime could not start, or the listener failed.
pub(crate) fn run<L: StreamLayer>(
    server: Arc<Server>,
    layer: &impl Fn() -> L,
    place: usize,
    listener: StdListener,
    mut handoff_rx: UnboundedReceiver<AcceptedConnection<StdStream>>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let worker = Rc::new(WorkerContext::new(server, place));
        let background_tasks = [
            spawn_local(maintain_pool(Rc::clone(&worker))),
            spawn_local(watch_shutdown(Rc::clone(&worker), shutdown.clone())),
        ];
        let accepted = accept(&worker, layer, listener, &mut handoff_rx).await;
        if accepted.is_err() {
            shutdown.stop();
            worker.set_stage(ShutdownStage::Stopping, now());
        }
        // Who was on the way here is served; who comes later stays where it was accepted.
        handoff_rx.close();
        while let Some(newcomer) = handoff_rx.recv().await {
            start_handed_off(&worker, layer, newcomer);
        }
        poll_fn(|context| if worker.is_empty(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        for task in background_tasks {
            task.abort();
        }
        accepted
    })
}

/// Tells the worker's tasks how far the process is on its way out, and ends all patience when the drain has lasted too long.
async fn watch_shutdown(worker: Rc<WorkerContext>, shutdown: Shutdown) {
    shutdown.reached(ShutdownStage::Draining).await;
    worker.set_stage(ShutdownStage::Draining, now());
    let drain = worker.balancer().config().timeouts.drain;
    if timeout(drain, shutdown.reached(ShutdownStage::Stopping)).await.is_err() {
        shutdown.stop();
    }
    worker.set_stage(ShutdownStage::Stopping, now());
}
