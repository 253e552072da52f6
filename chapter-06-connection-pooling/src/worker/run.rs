//! A worker from start to end: it accepts until the process drains, and ends when its last connection has closed.
//!
//! The tasks of its clients are spawned on the same runtime and stay there: what they share is in an `Rc` and in cells.
//! Each task ends by itself once the shutdown has reached it ([`WorkerContext::set_stage`]), and the worker waits for
//! the last.

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
    longest_poll::LongestPoll,
    maintenance::maintain_pool,
};
use crate::{engine::Engine, server::Server};

/// Serves connections of `listener`, and those that other workers send to `handoff_rx`, until shutdown; then drains.
///
/// # Errors
/// The runtime could not start, or the listener failed.
pub(crate) fn run<E: Engine>(
    server: Arc<Server<E::Filter, E::Pool>>,
    stream_layer: &impl Fn() -> E::StreamLayer,
    worker_id: usize,
    listener: StdListener,
    mut handoff_rx: UnboundedReceiver<AcceptedConnection<StdStream>>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let stats = &server.worker_stats[worker_id];
    let longest_poll = Arc::clone(stats.longest_poll());
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_park(move || longest_poll.begin(now()))
        .on_thread_unpark(|| LongestPoll::end_wait(now()))
        .build_local(LocalOptions::default())?;
    stats.set_runtime(runtime.handle().metrics());
    LongestPoll::end_wait(now());
    runtime.block_on(async move {
        let worker = Rc::new(WorkerContext::<E>::new(server, worker_id));
        let background_tasks = [
            spawn_local(maintain_pool(Rc::clone(&worker))),
            spawn_local(watch_shutdown(Rc::clone(&worker), shutdown.clone())),
        ];
        let accepted = accept(&worker, stream_layer, listener, &mut handoff_rx).await;
        if accepted.is_err() {
            shutdown.stop();
            worker.set_stage(ShutdownStage::Stopping, now());
        }
        // Connections already in the channel are served; later ones stay with the worker that accepted them.
        handoff_rx.close();
        while let Some(connection) = handoff_rx.recv().await {
            start_handed_off(&worker, stream_layer, connection);
        }
        poll_fn(|context| if worker.is_empty(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        for task in background_tasks {
            task.abort();
        }
        accepted
    })
}

/// Tells the worker's tasks the stage of the shutdown, and stops the process when the drain timeout has passed.
async fn watch_shutdown<E: Engine>(worker: Rc<WorkerContext<E>>, shutdown: Shutdown) {
    shutdown.reached(ShutdownStage::Draining).await;
    worker.set_stage(ShutdownStage::Draining, now());
    let drain = worker.balancer().config().timeouts.drain;
    if timeout(drain, shutdown.reached(ShutdownStage::Stopping)).await.is_err() {
        shutdown.stop();
    }
    worker.set_stage(ShutdownStage::Stopping, now());
}
