//! What the timekeeper of the [`checker`](super::checker) does: who is to be checked, when, and what came of it.
//!
//! It never blocks but to wait for the next thing to do, so a check begins when it is due. Each check runs on a thread
//! of its own and reports back by a message.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender},
    },
    thread,
    time::Instant,
};

use common::clock::now;
use common::shutdown::{Shutdown, ShutdownStage};

use super::{
    config::CheckConfig,
    probe::{CheckFailure, probe},
    state::CheckState,
    target::HealthTarget,
};

/// Checks under way at once, and so threads. Only as many backends as this that drop packets, all at once, could make
/// others wait, and then for one timeout.
const MAX_CONCURRENT_CHECKS: usize = 64;
/// A check needs little: 4 KiB to read into, and the resolver is not asked.
const CHECK_STACK_BYTES: usize = 256 * 1024;

/// Those that are to be checked soon, each once. A lock, which only failed connects take; a channel would grow with
/// each of them.
pub(crate) type UrgentTargets<T> = Arc<Mutex<Vec<Arc<T>>>>;

/// What wakes the timekeeper.
#[derive(Debug)]
pub(crate) enum SchedulerMessage {
    /// This check has ended.
    CheckFinished(u64, Result<(), CheckFailure>),
    /// Somebody is in a hurry, or it is time to end.
    Wake,
}

/// What the timekeeper knows.
pub(crate) struct CheckScheduler<T> {
    check: Arc<CheckConfig>,
    targets: Vec<TargetEntry<T>>,
    last_id: u64,
    running: usize,
    /// For the threads it starts.
    messages: Sender<SchedulerMessage>,
    urgent: UrgentTargets<T>,
    shutdown: Shutdown,
}

struct TargetEntry<T> {
    /// Not the target's address: a result must not reach one that has left and come back.
    id: u64,
    target: Arc<T>,
    state: CheckState,
    is_running: bool,
}

impl<T: HealthTarget> CheckScheduler<T> {
    pub(crate) fn new(
        check: CheckConfig,
        messages: Sender<SchedulerMessage>,
        urgent: UrgentTargets<T>,
        shutdown: Shutdown,
    ) -> Self {
        let (check, targets) = (Arc::new(check), Vec::new());
        Self { check, targets, last_id: 0, running: 0, messages, urgent, shutdown }
    }

    /// Until the shutdown's last stage.
    pub(crate) fn run(&mut self, targets: &impl Fn() -> Vec<Arc<T>>, inbox: &Receiver<SchedulerMessage>) {
        let mut next_sync = now();
        while self.shutdown.stage() < ShutdownStage::Stopping {
            let time = now();
            if time >= next_sync {
                self.sync_targets(targets(), time);
                next_sync = time + self.check.fast_interval;
            }
            self.start_due_checks(time);
            let wake_at = self.next_check_due().map_or(next_sync, |due| due.min(next_sync));
            if let Ok(message) = inbox.recv_timeout(wake_at.saturating_duration_since(now())) {
                self.on_message(message);
            }
        }
        // Who waits for us to end waits for the checks too.
        while self.running > 0 {
            if let Ok(SchedulerMessage::CheckFinished(..)) = inbox.recv() {
                self.running -= 1;
            }
        }
    }

    /// Learns who has come and who has gone.
    fn sync_targets(&mut self, targets: Vec<Arc<T>>, time: Instant) {
        self.targets.retain(|entry| targets.iter().any(|target| Arc::ptr_eq(target, &entry.target)));
        let is_known = |target: &Arc<T>| self.targets.iter().any(|entry| Arc::ptr_eq(target, &entry.target));
        let new: Vec<_> = targets.into_iter().filter(|target| !is_known(target)).collect();
        let count = new.len();
        for (index, target) in new.into_iter().enumerate() {
            self.last_id += 1;
            let state = CheckState::new(&self.check, time, index, count);
            self.targets.push(TargetEntry { id: self.last_id, target, state, is_running: false });
        }
    }

    /// Begins the checks that are due, the longest overdue first, as far as there are threads.
    fn start_due_checks(&mut self, time: Instant) {
        let is_due = |entry: &&mut TargetEntry<T>| !entry.is_running && entry.state.next_check() <= time;
        let mut due: Vec<_> = self.targets.iter_mut().filter(is_due).collect();
        due.sort_by_key(|entry| entry.state.next_check());
        due.truncate(MAX_CONCURRENT_CHECKS - self.running);
        for entry in due {
            let report = FinishGuard { id: entry.id, result: None, messages: self.messages.clone() };
            let (check, target, shutdown) = (Arc::clone(&self.check), Arc::clone(&entry.target), self.shutdown.clone());
            let run = move || report.run(|| probe(&check, &target.addresses(), &target.host_header(), &shutdown));
            entry.is_running = true;
            self.running += 1;
            if let Err(error) =
                thread::Builder::new().name("health-check".into()).stack_size(CHECK_STACK_BYTES).spawn(run)
            {
                // Its report was dropped with it, and so will be heard.
                tracing::error!("cannot start a health check thread: {error}");
            }
        }
    }

    /// When the next check is due that can be begun.
    fn next_check_due(&self) -> Option<Instant> {
        let waiting = self.targets.iter().filter(|entry| !entry.is_running);
        waiting.map(|entry| entry.state.next_check()).min().filter(|_| self.running < MAX_CONCURRENT_CHECKS)
    }

    fn on_message(&mut self, message: SchedulerMessage) {
        let time = now();
        match message {
            SchedulerMessage::Wake => self.schedule_urgent(time),
            SchedulerMessage::CheckFinished(id, outcome) => {
                self.running -= 1;
                if let Some(entry) = self.targets.iter_mut().find(|entry| entry.id == id) {
                    entry.on_finished(outcome, time);
                }
            }
        }
    }

    /// Those whose live connects have failed.
    fn schedule_urgent(&mut self, time: Instant) {
        let hurried = std::mem::take(&mut *self.urgent.lock().unwrap_or_else(PoisonError::into_inner));
        let is_hurried = |entry: &&mut TargetEntry<T>| hurried.iter().any(|target| Arc::ptr_eq(target, &entry.target));
        self.targets.iter_mut().filter(is_hurried).for_each(|entry| entry.state.check_now(time));
    }
}

impl<T: HealthTarget> TargetEntry<T> {
    fn on_finished(&mut self, outcome: Result<(), CheckFailure>, time: Instant) {
        self.is_running = false;
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(CheckFailure::Unhealthy(reason)) => Err(reason),
            Err(CheckFailure::Internal(why)) => {
                tracing::warn!("health check of {} could not run: {why}", self.target.host_header());
                return self.state.record_inconclusive(time, random_u64());
            }
        };
        let change = self.state.record(outcome.is_ok(), time, random_u64());
        self.target.on_check_result(outcome, change, time);
    }
}

/// Reports the end of a check however it ends: else a panic would leave its backend unchecked for ever.
struct FinishGuard {
    id: u64,
    result: Option<Result<(), CheckFailure>>,
    messages: Sender<SchedulerMessage>,
}

impl FinishGuard {
    fn run(mut self, check: impl FnOnce() -> Result<(), CheckFailure>) {
        self.result = Some(check());
    }
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        let outcome =
            self.result.take().unwrap_or_else(|| Err(CheckFailure::Internal("the check thread panicked".into())));
        // Nobody listens once the checker has ended.
        let _ = self.messages.send(SchedulerMessage::CheckFinished(self.id, outcome));
    }
}

/// The standard library's hasher has a random key: enough to be early or late by.
fn random_u64() -> u64 {
    RandomState::new().build_hasher().finish()
}
