//! The scheduler of the [`checker`](super::checker): starts the checks that are due, and records their results.
//!
//! It blocks only to wait for the next due check or message, so checks start on time. Each check runs on a thread of
//! its own and reports its result by a message.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender},
    },
    thread,
    time::Instant,
};

use common::{
    clock::now,
    random::random_u64,
    shutdown::{Shutdown, ShutdownStage},
};

use super::{
    config::CheckConfig,
    probe::{CheckFailure, probe},
    state::CheckState,
    target::HealthTarget,
};

/// Maximum concurrent checks, and so threads. Other checks wait only if this many backends drop packets at the same
/// time, and then for one timeout.
const MAX_CONCURRENT_CHECKS: usize = 64;
/// A check needs little stack: a 4 KiB read buffer, and no resolver call.
const CHECK_STACK_BYTES: usize = 256 * 1024;

/// Targets to be checked soon, each once. Behind a lock that only failed connects take; a channel would grow with each
/// failed connect.
pub(crate) type UrgentTargets<T> = Arc<Mutex<Vec<Arc<T>>>>;

/// What wakes the scheduler.
#[derive(Debug)]
pub(crate) enum SchedulerMessage {
    /// The check of the target with this id has ended.
    CheckFinished(u64, Result<(), CheckFailure>),
    /// A target is urgent, or the checker is shutting down.
    Wake,
}

/// The state of the scheduler thread.
pub(crate) struct CheckScheduler<T> {
    check: Arc<CheckConfig>,
    targets: Vec<TargetEntry<T>>,
    last_id: u64,
    running: usize,
    /// Cloned for the check threads.
    messages: Sender<SchedulerMessage>,
    urgent: UrgentTargets<T>,
    shutdown: Shutdown,
}

struct TargetEntry<T> {
    /// Not the target's address: a result must not reach a target that was removed and added again.
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

    /// Runs until the shutdown's last stage, then waits for the running checks.
    pub(crate) fn run(&mut self, targets: &impl Fn() -> Vec<Arc<T>>, receiver: &Receiver<SchedulerMessage>) {
        let mut next_sync = now();
        while self.shutdown.stage() < ShutdownStage::Stopping {
            let time = now();
            if time >= next_sync {
                self.sync_targets(targets(), time);
                next_sync = time + self.check.fast_interval;
            }
            self.start_due_checks(time);
            let wake_at = self.next_check_due().map_or(next_sync, |due| due.min(next_sync));
            if let Ok(message) = receiver.recv_timeout(wake_at.saturating_duration_since(now())) {
                self.on_message(message);
            }
        }
        // Joining this thread also waits for the checks.
        while self.running > 0 {
            if let Ok(SchedulerMessage::CheckFinished(..)) = receiver.recv() {
                self.running -= 1;
            }
        }
    }

    /// Adds new targets and drops removed ones.
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

    /// Starts the checks that are due, the longest overdue first, up to the maximum of threads.
    fn start_due_checks(&mut self, time: Instant) {
        let is_due = |entry: &&mut TargetEntry<T>| !entry.is_running && entry.state.next_check() <= time;
        let mut due: Vec<_> = self.targets.iter_mut().filter(is_due).collect();
        due.sort_by_key(|entry| entry.state.next_check());
        due.truncate(MAX_CONCURRENT_CHECKS - self.running);
        for entry in due {
            let guard = FinishGuard { id: entry.id, result: None, messages: self.messages.clone() };
            let (check, target, shutdown) = (Arc::clone(&self.check), Arc::clone(&entry.target), self.shutdown.clone());
            let run = move || guard.run(|| probe(&check, &target.addresses(), &target.host_header(), &shutdown));
            entry.is_running = true;
            self.running += 1;
            if let Err(error) =
                thread::Builder::new().name("health-check".into()).stack_size(CHECK_STACK_BYTES).spawn(run)
            {
                // The guard was dropped with the closure, so the failure is reported.
                tracing::error!("cannot start a health check thread: {error}");
            }
        }
    }

    /// When the next check is due that can start.
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

    /// Schedules a check soon for targets whose live connects have failed.
    fn schedule_urgent(&mut self, time: Instant) {
        let urgent = std::mem::take(&mut *self.urgent.lock().unwrap_or_else(PoisonError::into_inner));
        let is_urgent = |entry: &&mut TargetEntry<T>| urgent.iter().any(|target| Arc::ptr_eq(target, &entry.target));
        self.targets.iter_mut().filter(is_urgent).for_each(|entry| entry.state.check_now(time));
    }
}

impl<T: HealthTarget> TargetEntry<T> {
    fn on_finished(&mut self, outcome: Result<(), CheckFailure>, time: Instant) {
        self.is_running = false;
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(CheckFailure::Unhealthy(reason)) => Err(reason),
            Err(CheckFailure::Internal(reason)) => {
                tracing::warn!("health check of {} could not run: {reason}", self.target.host_header());
                return self.state.record_inconclusive(time, random_u64());
            }
        };
        let transition = self.state.record(outcome.is_ok(), time, random_u64());
        self.target.on_check_result(outcome, transition, time);
    }
}

/// Reports the end of a check on drop: otherwise a panic would leave its backend unchecked permanently.
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
        // The receiver is gone once the checker has ended.
        let _ = self.messages.send(SchedulerMessage::CheckFinished(self.id, outcome));
    }
}
