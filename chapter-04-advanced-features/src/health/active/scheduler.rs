//! The scheduler of the [`checker`](super::checker): starts the checks that are due, drives those in flight, and records
//! their results.
//!
//! It waits with epoll (kqueue on BSD and macOS), through mio, which chapter 5 explains, and not with `poll(2)`, which
//! has to look at every socket in each call: with 500 backends that hang, 500 checks are in flight, and a call costs
//! 70 µs instead of 4. Each event costs a search in a sorted set, O(log n) for n backends.

use std::{
    collections::{BTreeSet, HashMap},
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{clock::now, random::random_u64};
use mio::{Events, Poll, Registry, Token};

use super::{
    check_socket::CheckSocket,
    config::CheckConfig,
    control::{CheckerControl, WAKE},
    probe::{CheckFailure, Probe, ProbeContext, ProbeStep, request},
    state::CheckState,
    target::HealthTarget,
};

/// How late a check may start, so that several start in one wake-up.
const MAX_SLACK: Duration = Duration::from_millis(10);
/// A new target waits at most this long until it is known.
const MAX_SYNC_INTERVAL: Duration = Duration::from_millis(500);
const RECV_BUFFER_BYTES: usize = 16 * 1024;

/// The state of the checker's thread.
pub(super) struct CheckScheduler<T> {
    /// Checks beyond it wait, the longest overdue first.
    max_in_flight: usize,
    /// The shortest interval of any target: how often the targets are asked for.
    sync_interval: Duration,
    targets: HashMap<usize, TargetEntry<T>>,
    /// When to start the next check of each target whose check has ended.
    due: BTreeSet<(Instant, usize)>,
    /// Until when each open check waits.
    waits: BTreeSet<(Instant, usize)>,
    registry: Registry,
    buffer: Box<[u8]>,
}

struct TargetEntry<T> {
    target: Arc<T>,
    check: Arc<CheckConfig>,
    state: CheckState,
    /// Its time in `CheckScheduler::due`; `None` while a check runs.
    due: Option<Instant>,
    /// The check in flight, and its time in `CheckScheduler::waits`. One whose result is known may still be closing.
    in_flight: Option<(Probe<CheckSocket>, Instant)>,
    /// The request of its checks, made before the first one.
    request: Option<Vec<u8>>,
}

impl<T: HealthTarget> CheckScheduler<T> {
    pub(super) fn new(max_in_flight: usize, registry: Registry) -> Self {
        Self {
            max_in_flight,
            sync_interval: MAX_SYNC_INTERVAL,
            targets: HashMap::new(),
            due: BTreeSet::new(),
            waits: BTreeSet::new(),
            registry,
            buffer: vec![0; RECV_BUFFER_BYTES].into(),
        }
    }

    /// Runs until the checker is dropped. The checks in flight are dropped with `self`, without a result.
    pub(super) fn run(&mut self, mut poll: Poll, control: &CheckerControl<T>, targets: &impl Fn() -> Vec<Arc<T>>) {
        let mut events = Events::with_capacity(256);
        let mut next_sync = now();
        while !control.is_stopping() {
            let time = now();
            if time >= next_sync {
                self.sync_targets(targets(), time);
                next_sync = time + self.sync_interval;
            }
            self.drive_overdue(time);
            self.start_due_checks(time);
            let wake_at = self.next_timer().map_or(next_sync, |timer| timer.min(next_sync));
            match poll.poll(&mut events, Some(wake_at.saturating_duration_since(now()))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    return tracing::error!("health checks have ended: {error}");
                }
                _ => {}
            }
            let time = now();
            for event in &events {
                match event.token() {
                    WAKE => self.schedule_urgent(&control.take_urgent(), time),
                    Token(key) => self.on_event(key, time),
                }
            }
        }
    }

    /// Adds new targets and drops removed ones, whose checks in flight are cancelled.
    fn sync_targets(&mut self, current: Vec<Arc<T>>, time: Instant) {
        let keys: BTreeSet<usize> = current.iter().map(key_of).collect();
        let (due, waits) = (&mut self.due, &mut self.waits);
        self.targets.retain(|key, entry| {
            let is_current = keys.contains(key);
            if !is_current {
                entry.due.map(|at| due.remove(&(at, *key)));
                entry.in_flight.as_ref().map(|(_, until)| waits.remove(&(*until, *key)));
            }
            is_current
        });
        let new = current.into_iter().filter(|target| !self.targets.contains_key(&key_of(target)));
        let new: Vec<_> = new.filter_map(|target| Some((target.check_config()?, target))).collect();
        let count = new.len();
        for (index, (check, target)) in new.into_iter().enumerate() {
            let (key, state) = (key_of(&target), CheckState::new(&check, time, index, count));
            self.targets.entry(key).or_insert_with(|| {
                self.due.insert((state.next_check(), key));
                TargetEntry { target, check, due: Some(state.next_check()), state, in_flight: None, request: None }
            });
        }
        let fast_intervals = self.targets.values().map(|entry| entry.check.fast_interval);
        self.sync_interval = fast_intervals.fold(MAX_SYNC_INTERVAL, Duration::min);
    }

    /// Starts the checks that are due, the longest overdue first, up to the maximum in flight.
    fn start_due_checks(&mut self, time: Instant) {
        while self.waits.len() < self.max_in_flight
            && let Some(&(at, key)) = self.due.first()
            && at <= time
        {
            self.due.pop_first();
            let Some(entry) = self.targets.get_mut(&key) else { continue };
            entry.due = None;
            if let Some((_, until)) = entry.in_flight.take() {
                self.waits.remove(&(until, key));
            }
            match entry.new_probe(time) {
                Ok(probe) => self.drive(key, probe, time),
                Err(failure) => self.finish(key, Err(failure), time),
            }
        }
    }

    /// When the next check starts, if one may, or the next wait is over.
    fn next_timer(&self) -> Option<Instant> {
        let slack = MAX_SLACK.min(self.sync_interval / 16);
        let may_start = self.waits.len() < self.max_in_flight;
        let start = self.due.first().filter(|_| may_start).map(|(at, _)| *at + slack);
        let wait = self.waits.first().map(|(until, _)| *until);
        start.into_iter().chain(wait).min()
    }

    /// Drives the checks whose wait is over: for their deadline, or to connect to the next address.
    fn drive_overdue(&mut self, time: Instant) {
        while let Some(&(until, key)) = self.waits.first()
            && until <= time
        {
            self.waits.pop_first();
            let in_flight = self.targets.get_mut(&key).and_then(|entry| entry.in_flight.take());
            if let Some((probe, _)) = in_flight {
                self.drive(key, probe, time);
            }
        }
    }

    fn on_event(&mut self, key: usize, time: Instant) {
        let in_flight = self.targets.get_mut(&key).and_then(|entry| entry.in_flight.take());
        let Some((mut probe, until)) = in_flight else { return };
        self.waits.remove(&(until, key));
        probe.for_each_socket(|socket, _| socket.on_event());
        self.drive(key, probe, time);
    }

    /// Drives a check that is in no set, until it waits or is closed.
    fn drive(&mut self, key: usize, mut probe: Probe<CheckSocket>, time: Instant) {
        loop {
            let Some(entry) = self.targets.get_mut(&key) else { return };
            let request = entry.request.as_deref().unwrap_or_default();
            let connect = &mut CheckSocket::connect;
            let mut cx = ProbeContext { check: &entry.check, request, connect, buffer: &mut self.buffer };
            match probe.drive(time, &mut cx) {
                ProbeStep::Wait(until) => {
                    let mut registered = Ok(());
                    probe.for_each_socket(|socket, interest| {
                        let result = socket.register(&self.registry, Token(key), interest);
                        registered = std::mem::replace(&mut registered, Ok(())).and(result);
                    });
                    match registered {
                        Ok(()) => {
                            self.waits.insert((until, key));
                            entry.in_flight = Some((probe, until));
                        }
                        Err(error) if entry.due.is_none() => {
                            self.finish(key, Err(CheckFailure::Internal(error.to_string())), time);
                        }
                        Err(_) => {}
                    }
                    return;
                }
                ProbeStep::Finished(outcome) => self.finish(key, outcome, time),
                ProbeStep::Closed => return,
            }
        }
    }

    /// The check of this target has ended: records the result, and schedules the next one.
    fn finish(&mut self, key: usize, outcome: Result<(), CheckFailure>, time: Instant) {
        let Some(entry) = self.targets.get_mut(&key) else { return };
        if catch_unwind(AssertUnwindSafe(|| entry.on_finished(outcome, time))).is_err() {
            tracing::error!("the result of a health check was lost: the backend's code panicked");
            entry.state.record_inconclusive(time, random_u64());
        }
        let next = entry.state.next_check();
        entry.due = Some(next);
        self.due.insert((next, key));
    }

    /// Schedules a check soon for targets whose live connects have failed.
    fn schedule_urgent(&mut self, urgent: &[Arc<T>], time: Instant) {
        for key in urgent.iter().map(key_of) {
            let Some(entry) = self.targets.get_mut(&key) else { continue };
            entry.state.check_now(time);
            if let Some(due) = &mut entry.due {
                self.due.remove(&(*due, key));
                *due = entry.state.next_check();
                self.due.insert((*due, key));
            }
        }
    }
}

/// Identifies a target while its entry owns it.
fn key_of<T>(target: &Arc<T>) -> usize {
    Arc::as_ptr(target).addr()
}

impl<T: HealthTarget> TargetEntry<T> {
    /// A check of the addresses that the target has now.
    fn new_probe(&mut self, time: Instant) -> Result<Probe<CheckSocket>, CheckFailure> {
        let check = &self.check;
        let prepared = catch_unwind(AssertUnwindSafe(|| {
            self.request.get_or_insert_with(|| request(&check.kind, &self.target.host_header()));
            Probe::new(check, &self.target.addresses(), time)
        }));
        prepared.map_err(|_| CheckFailure::Internal("the backend's code panicked".into()))
    }

    fn on_finished(&mut self, outcome: Result<(), CheckFailure>, time: Instant) {
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
