//! A worker from start to end: it accepts until the process drains, and ends when its last connection has closed.
//!
//! The tasks of its clients are spawned on the same runtime and stay there: what they share is in an `Rc` and in cells.
//! Each task ends by itself once the shutdown has reached it ([`WorkerThread::stage`]), and the worker waits for the
//! last.

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
    net::{AcceptedConnection, Listeners},
    shutdown::{Shutdown, ShutdownStage},
    worker::run_on_threads,
};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::mpsc::UnboundedReceiver,
    task::spawn_local,
    time::timeout,
};

use super::{
    accept::{accept, start_handed_off},
    longest_poll::LongestPoll,
    service::Service,
    stats::WorkerStats,
    thread::WorkerThread,
    workers::Workers,
};

/// Serves clients on `listeners`, one listener per worker, until shutdown, then drains. `service` makes what each
/// worker serves them with, on that worker's thread. Call it once.
///
/// # Errors
/// A worker could not start, or its listener failed. The other workers stop then.
///
/// # Panics
/// A worker that panics ends the process: otherwise its listener's queue would go on swallowing clients. A client's
/// task that panics closes only that client's connection.
pub fn run<S: Service>(
    workers: &Arc<Workers>,
    listeners: Listeners,
    shutdown: &Shutdown,
    service: impl Fn(WorkerThread) -> S + Sync,
) -> io::Result<()> {
    let parts = workers.take_receivers().into_iter().zip(listeners.into_vec());
    run_on_threads("worker", parts, shutdown, |worker_id, (handoff_rx, listener)| {
        let thread = WorkerThread::new(Arc::clone(workers), worker_id);
        run_worker(|| service(thread), workers.stats(worker_id), listener, handoff_rx, shutdown.clone())
    })
}

/// Serves connections of `listener`, and those that other workers send to `handoff_rx`, until shutdown; then drains.
///
/// # Errors
/// The runtime could not start, or the listener failed.
fn run_worker<S: Service>(
    service: impl FnOnce() -> S,
    stats: &WorkerStats,
    listener: StdListener,
    mut handoff_rx: UnboundedReceiver<AcceptedConnection<StdStream>>,
    shutdown: Shutdown,
) -> io::Result<()> {
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
        let service = Rc::new(service());
        let background_tasks = [
            spawn_local(Rc::clone(&service).maintain()),
            spawn_local(watch_shutdown(Rc::clone(&service), shutdown.clone())),
        ];
        let accepted = accept(&service, listener, &mut handoff_rx).await;
        if accepted.is_err() {
            shutdown.stop();
            service.thread().set_stage(ShutdownStage::Stopping, now());
        }
        // Connections already in the channel are served; later ones stay with the worker that accepted them.
        handoff_rx.close();
        while let Some(connection) = handoff_rx.recv().await {
            start_handed_off(&service, connection);
        }
        poll_fn(|context| if service.thread().is_empty(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        for task in background_tasks {
            task.abort();
        }
        accepted
    })
}

/// Tells the worker's tasks the stage of the shutdown, and stops the process when the drain timeout has passed.
async fn watch_shutdown<S: Service>(service: Rc<S>, shutdown: Shutdown) {
    let thread = service.thread();
    shutdown.reached(ShutdownStage::Draining).await;
    thread.set_stage(ShutdownStage::Draining, now());
    let drain = thread.balancer().config().timeouts.drain;
    if timeout(drain, shutdown.reached(ShutdownStage::Stopping)).await.is_err() {
        shutdown.stop();
    }
    thread.set_stage(ShutdownStage::Stopping, now());
}
