//! A group of backends that can stand in for each other, and the choice among them.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use common::http::BackendId;

use super::{
    backend::{Backend, BackendState},
    change_notifier::ChangeNotifier,
    policy::{Algorithm, PickCounters, Picker},
};
use crate::{
    health::{
        breaker::{self, Breaker},
        panic_threshold::is_panic_mode,
    },
    limit::{queue::Queue, retry_budget::RetryBudget},
    routing::{StickTable, StickyCookie, StickyValue},
};

/// How a group chooses.
#[derive(Debug, Clone, Default)]
pub struct LbPolicyConfig {
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// How much more than the average one backend may have, for the consistent hashes.
    pub balance_factor: Option<f64>,
    /// The cookie that brings a client back to its backend.
    pub sticky: Option<StickyCookie>,
    /// Clients without that cookie are remembered by their address until they have been away for so long.
    pub sticky_source: Option<Duration>,
}

/// What a request wants of a group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Affinity {
    /// The hash of what is to stay at one backend.
    pub hash: u64,
    /// The backend that the client was at before, by its cookie.
    pub sticky_backend: Option<BackendId>,
    /// Who asks, for a group that remembers its clients.
    pub client: Option<IpAddr>,
}

/// What came of a choice.
#[derive(Debug)]
pub enum Choice {
    /// This one, with a slot of its.
    Backend(InFlightGuard),
    /// Those that it may go to are at their limits: it may wait.
    AllAtLimit,
    /// There is none that it may go to.
    NoBackend,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    name: String,
    lb_policy: LbPolicyConfig,
    /// Who belongs to it. Changed under the lock, with a notice on the bulletin.
    members: Mutex<Vec<Arc<Backend>>>,
    change_notifier: Arc<ChangeNotifier>,
    view: ArcSwap<BackendView>,
    counters: Arc<PickCounters>,
    stick_table: Option<StickTable>,
    /// Those who wait for a slot.
    pub queue: Arc<Queue>,
    /// Whether it is left alone.
    pub breaker: Breaker,
    /// The retries that are still allowed.
    pub retry_budget: RetryBudget,
}

/// The backends as they were at one moment: what a request picks from.
#[derive(Debug)]
struct BackendView {
    /// The bulletin's count when it was made.
    version: u64,
    /// When a mark runs out by itself.
    valid_until: Option<Instant>,
    /// The marks are not believed: fewer than half would be left.
    in_panic: bool,
    picker: Picker<Arc<Backend>>,
    members: Vec<Arc<Backend>>,
}

impl Group {
    /// A group without backends yet; at most `queued` requests may wait in it.
    pub fn new(
        name: String,
        lb_policy: LbPolicyConfig,
        queue_limit: usize,
        breaker: breaker::BreakerConfig,
        now: Instant,
    ) -> Self {
        let counters = Arc::new(PickCounters::default());
        let picker = Picker::new(lb_policy.algorithm, lb_policy.balance_factor, Vec::new(), Arc::clone(&counters));
        let queue = Arc::new(Queue::new(queue_limit));
        let stick_table = lb_policy.sticky_source.map(|idle| StickTable::new(StickTable::DEFAULT_SIZE, idle));
        Self {
            name,
            lb_policy,
            members: Mutex::default(),
            change_notifier: Arc::new(ChangeNotifier::new(Arc::clone(&queue))),
            view: ArcSwap::from_pointee(BackendView {
                version: u64::MAX,
                valid_until: None,
                in_panic: false,
                picker,
                members: Vec::new(),
            }),
            counters,
            stick_table,
            queue,
            breaker: Breaker::new(breaker, now),
            retry_budget: RetryBudget::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it chooses.
    pub fn lb_policy(&self) -> &LbPolicyConfig {
        &self.lb_policy
    }

    /// The cookie that brings a client back to its backend.
    pub fn sticky(&self) -> Option<&StickyCookie> {
        self.lb_policy.sticky.as_ref()
    }

    /// To whom a client is tied that brings this.
    pub fn find_sticky_backend(&self, cookie_value: StickyValue, now: Instant) -> Option<BackendId> {
        let matches = |backend: &&Arc<Backend>| backend.sticky_value() == Some(cookie_value);
        self.current_view(now).members.iter().find(matches).map(|backend| backend.id())
    }

    /// Where its backends say what has changed.
    pub fn change_notifier(&self) -> &Arc<ChangeNotifier> {
        &self.change_notifier
    }

    /// Who belongs to it now.
    pub fn members(&self) -> Vec<Arc<Backend>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes who belongs to it.
    pub fn update_members<T>(&self, change: impl FnOnce(&mut Vec<Arc<Backend>>) -> T) -> T {
        let changed = change(&mut self.members.lock().unwrap_or_else(PoisonError::into_inner));
        self.change_notifier.notify();
        changed
    }

    /// Requests under way to its backends. A look at each of them: not for the steady path.
    pub fn in_flight(&self) -> u32 {
        self.members().iter().map(|backend| backend.concurrency.in_flight()).sum()
    }

    /// Whether the marks on its backends are not believed.
    pub fn is_in_panic(&self, now: Instant) -> bool {
        self.current_view(now).in_panic
    }

    // ANCHOR: choose
    /// Chooses one of those that may be picked and are not in `tried`, and takes a slot of it.
    pub fn choose(&self, now: Instant, affinity: Affinity, tried: &[BackendId]) -> Choice {
        let view = self.current_view(now);
        if let Some(in_flight) = affinity.sticky_backend.and_then(|id| self.acquire_sticky(&view, id, tried, now)) {
            return Choice::Backend(in_flight);
        }
        match (&self.stick_table, affinity.client) {
            (Some(table), Some(client)) => {
                self.choose_by_stick_table(&view, (table, client), now, affinity.hash, tried)
            }
            _ => self.pick(&view, now, affinity.hash, tried),
        }
    }

    /// Picks one by the algorithm.
    fn pick(&self, view: &BackendView, now: Instant, hash: u64, tried: &[BackendId]) -> Choice {
        // Who turns a request away for a reason that shows only once it is asked: a trial that another request has,
        // a slot that is gone meanwhile, a ramp.
        let mut skipped = Vec::new();
        let mut slow_starting = None;
        loop {
            let allowed = |backend: &Arc<Backend>| {
                !tried.contains(&backend.id()) && !skipped.contains(&backend.id()) && !backend.concurrency.is_at_limit()
            };
            let Some(backend) = view.picker.pick(hash, now, allowed) else { break };
            if !backend.slow_start.accepts_pick(now) {
                slow_starting = slow_starting.or(Some(backend));
            } else if let Some(in_flight) = self.acquire(backend, now) {
                return Choice::Backend(in_flight);
            }
            skipped.push(backend.id());
        }
        // Nobody else would have it: then a backend that is still warming up is better than none.
        if let Some(taken) = slow_starting.and_then(|backend| self.acquire(backend, now)) {
            return Choice::Backend(taken);
        }
        let is_untried = |backend: &Arc<Backend>| !tried.contains(&backend.id());
        if view.picker.candidates().iter().any(is_untried) { Choice::AllAtLimit } else { Choice::NoBackend }
    }
    // ANCHOR_END: choose

    /// The backend that the client was at before, if it is well: one that is drained, or has weight 0, keeps those
    /// who stick to it.
    fn acquire_sticky(
        &self,
        view: &BackendView,
        id: BackendId,
        tried: &[BackendId],
        now: Instant,
    ) -> Option<InFlightGuard> {
        let backend = view.members.iter().find(|backend| backend.id() == id && !tried.contains(&id))?;
        let is_usable =
            matches!(backend.state(now), BackendState::Up | BackendState::Draining | BackendState::HalfOpen);
        if is_usable { self.acquire(backend, now) } else { None }
    }

    /// Takes a slot of the backend, and its trial if it is on one.
    fn acquire(&self, backend: &Arc<Backend>, now: Instant) -> Option<InFlightGuard> {
        let is_on_trial = backend.state(now) == BackendState::HalfOpen;
        let trial = if is_on_trial { Some(backend.connect_breaker.try_acquire(now)?) } else { None };
        let in_flight =
            || InFlightGuard { backend: Arc::clone(backend), queue: Arc::clone(&self.queue), _half_open_permit: trial };
        backend.concurrency.try_acquire().then(in_flight)
    }

    // ANCHOR: fresh
    /// The snapshot to pick from, made anew if something has changed.
    fn current_view(&self, now: Instant) -> arc_swap::Guard<Arc<BackendView>> {
        let view = self.view.load();
        let is_fresh =
            view.version == self.change_notifier.version() && view.valid_until.is_none_or(|expires| now < expires);
        if is_fresh {
            return view;
        }
        self.rebuild_view(now);
        self.view.load()
    }
    // ANCHOR_END: fresh

    // ANCHOR: view
    /// Makes the snapshot anew. Rare: a mark has changed, or has run out.
    fn rebuild_view(&self, now: Instant) {
        // Under the lock, so that an older look cannot replace a newer one.
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.change_notifier.version();
        let pickable: Vec<_> = members.iter().filter(|backend| backend.weight() > 0).collect();
        let states: Vec<_> = pickable.iter().map(|backend| backend.state(now)).collect();
        let in_service = states.iter().filter(|state| **state != BackendState::Draining).count();
        let healthy = states.iter().filter(|state| matches!(state, BackendState::Up | BackendState::HalfOpen)).count();
        let in_panic = is_panic_mode(healthy, in_service);
        let is_candidate = |state: &BackendState| match state {
            BackendState::Up | BackendState::HalfOpen => true,
            // What checks and failures say is an opinion; a connect that was refused a moment ago is a fact. But an
            // only backend is never left out: there is nobody to ask in its place.
            BackendState::Down | BackendState::Ejected { .. } => in_panic,
            BackendState::ConnectFailed { .. } => in_service == 1,
            BackendState::Draining => false,
        };
        let candidates: Vec<_> = pickable
            .iter()
            .zip(&states)
            .filter(|(_, state)| is_candidate(state))
            .map(|(backend, _)| Arc::clone(backend))
            .collect();
        let expires = states.iter().filter_map(|state| match state {
            BackendState::ConnectFailed { until } | BackendState::Ejected { until } => Some(*until),
            _ => None,
        });
        let view = BackendView {
            version,
            valid_until: expires.min(),
            in_panic,
            picker: Picker::new(
                self.lb_policy.algorithm,
                self.lb_policy.balance_factor,
                candidates,
                Arc::clone(&self.counters),
            ),
            members: members.clone(),
        };
        let before = self.view.swap(Arc::new(view));
        if before.in_panic != in_panic {
            self.log_panic_change(in_panic, healthy, in_service);
        }
    }
    // ANCHOR_END: view

    fn log_panic_change(&self, panic: bool, healthy: usize, of: usize) {
        let name = &self.name;
        if panic {
            tracing::error!(
                "group {name}: entering panic mode: only {healthy} of {of} backends are healthy, health status is ignored"
            );
        } else {
            tracing::warn!("group {name}: leaving panic mode: {healthy} of {of} backends are healthy");
        }
    }
}

/// A request under way to a backend: its slot, and its trial if it is on one. Dropping it gives both back, also
/// through a panic.
#[derive(Debug)]
pub struct InFlightGuard {
    backend: Arc<Backend>,
    queue: Arc<Queue>,
    _half_open_permit: Option<crate::health::half_open::HalfOpenPermit>,
}

impl InFlightGuard {
    /// Where it is.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.backend.concurrency.release();
        self.queue.wake_next();
    }
}

mod sticky_source;
#[cfg(test)]
mod tests;
