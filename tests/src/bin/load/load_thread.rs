//! One load thread: a runtime, its share of the connections, and the loop of each.

use std::{io, rc::Rc, sync::Arc};

use common::shutdown::{Shutdown, ShutdownStage};
use tokio::{
    runtime::{Builder, LocalOptions},
    task::JoinSet,
};

use crate::{
    client::{Client, Shared},
    clock::{self, PreciseTimer},
    plan::Plan,
    schedule::Schedule,
    tally::Tally,
};

/// Runs `connections` loops on this thread until the schedule ends or `shutdown` begins, and returns their counters. On
/// an interrupt, requests in flight are dropped and counted as such.
pub(crate) fn run(
    plan: Arc<Plan>,
    schedule: &Arc<Schedule>,
    connections: u32,
    tally: Tally,
    shutdown: &Shutdown,
) -> io::Result<Tally> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let shared = Shared::new(plan, tally);
    runtime.block_on(async {
        let mut loops = JoinSet::new();
        for _ in 0..connections {
            loops.spawn_local(connection(Rc::clone(&shared), Arc::clone(schedule)));
        }
        let all = async {
            while let Some(end) = loops.join_next().await {
                // A panic here is a bug of ours, and a partial result would hide it.
                end.map_err(io::Error::other)??;
            }
            Ok::<(), io::Error>(())
        };
        tokio::select! {
            end = all => end,
            () = shutdown.reached(ShutdownStage::Draining) => Ok(()),
        }
    })?;
    // Tasks cancelled by an interrupt are dropped with the runtime, and with them their references to `shared`.
    drop(runtime);
    Rc::into_inner(shared)
        .map(|shared| shared.tally.into_inner())
        .ok_or_else(|| io::Error::other("a connection outlived its runtime"))
}

/// One connection: sends scheduled requests until there are no more.
async fn connection(shared: Rc<Shared>, schedule: Arc<Schedule>) -> io::Result<()> {
    let mut client = Client::new(Rc::clone(&shared));
    let mut timer = if shared.plan.rate.is_some() { Some(PreciseTimer::new()?) } else { None };
    let mut now = clock::now();
    while let Some(scheduled) = schedule.take(now) {
        if let (Some(due), Some(timer)) = (scheduled.due, &mut timer)
            && due > now
        {
            timer.sleep_until(due).await?;
            now = clock::now();
        }
        let began = now;
        shared.tally.borrow_mut().in_flight += 1;
        let outcome = client.request(began).await;
        now = clock::now();
        shared.tally.borrow_mut().record(scheduled, (began, now), outcome, &client);
        if let (Err(failure), None) = (outcome, scheduled.due)
            && let Some(pause) = Client::pause_after(failure)
        {
            tokio::time::sleep(pause).await;
            now = clock::now();
        }
    }
    Ok(())
}
