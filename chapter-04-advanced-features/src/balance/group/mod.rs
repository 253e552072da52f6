//! A group of interchangeable backends, and the choice among them.
//!
//! Requests pick from a view of the backends that is rebuilt when a health status, a weight or a member changes, so the
//! request path takes no lock. The group's queue, retry budget and breaker are here; the algorithms are
//! [`policy`](super::policy)'s.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use arc_swap::ArcSwap;
use common::http::{BackendId, GroupId};

pub use self::group_policy::{GroupPolicy, LbPolicyConfig};
use super::{
    backend::{Backend, BackendState},
    change_notifier::ChangeNotifier,
    policy::{PickCounters, Picker},
};
use crate::{
    health::{breaker::Breaker, panic_threshold::is_panic_mode},
    limit::{
        adaptive::{AdaptiveLimit, OverloadPolicy},
        queue::{Fifo, Queue},
        retry_budget::RetryBudget,
    },
    routing::{StickTable, StickyCookie, StickyValue},
};

/// A request's affinity to a backend of its group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Affinity {
    /// The hash of the configured hash key: equal hashes go to the same backend.
    pub hash: u64,
    /// The backend that the client's cookie ties it to.
    pub sticky_backend: Option<BackendId>,
    /// The client's address, for a group with affinity by address.
    pub client: Option<IpAddr>,
}

/// The result of a choice.
#[derive(Debug)]
pub enum Selection {
    /// This backend; its slot is held.
    Backend(InFlightGuard),
    /// Every eligible backend is at its limit: the request may queue.
    AllAtLimit,
    /// No backend is eligible.
    NoBackend,
}

/// A group of interchangeable backends.
#[derive(Debug)]
pub struct Group {
    id: Option<GroupId>,
    name: String,
    policy: GroupPolicy,
    /// The members. Changed under the lock, followed by a change notification.
    members: Mutex<Vec<Arc<Backend>>>,
    change_notifier: Arc<ChangeNotifier>,
    view: ArcSwap<BackendView>,
    counters: Arc<PickCounters>,
    stick_table: Option<StickTable>,
    /// Requests that wait for a slot.
    pub queue: Arc<Queue>,
    /// The limit on the requests in flight to the group, if it has one.
    pub adaptive_limit: Option<Arc<AdaptiveLimit>>,
    /// The group's circuit breaker.
    pub breaker: Breaker,
    /// The retries that the group still permits.
    pub retry_budget: RetryBudget,
}

/// The view that requests pick from: the backends as they were when it was built. The first request that finds it out
/// of date rebuilds it: no engine needs a timer for states that expire, and no thread rebuilds it in the background.
#[derive(Debug)]
struct BackendView {
    /// The change notifier's version when the view was built.
    version: u64,
    /// When the next mark-down or ejection expires.
    valid_until: Option<Instant>,
    /// Panic mode: health status is ignored, because fewer than half of the backends are healthy.
    in_panic: bool,
    picker: Picker<Arc<Backend>>,
    members: Vec<Arc<Backend>>,
}

impl Group {
    /// A group without backends yet. `id` is `None` for the placeholder to which requests without a route belong.
    /// Without an overload policy it has no adaptive limit, and its queue is first in, first out.
    pub fn new(id: Option<GroupId>, name: String, policy: GroupPolicy, now: Instant) -> Self {
        let counters = Arc::new(PickCounters::default());
        let lb_policy = &policy.lb_policy;
        let picker = Picker::new(lb_policy.algorithm, lb_policy.balance_factor, Vec::new(), Arc::clone(&counters));
        let overload = policy.overload.as_deref();
        let discipline = overload.map_or_else(|| Box::new(Fifo) as _, OverloadPolicy::queue_discipline);
        let queue = Arc::new(Queue::with_discipline(policy.queue_limit, discipline));
        let adaptive_limit =
            overload.map(|policy| Arc::new(AdaptiveLimit::new(policy.limit_algorithm(), Arc::clone(&queue))));
        let stick_table = lb_policy.sticky_source.map(|idle| StickTable::new(StickTable::DEFAULT_SIZE, idle));
        Self {
            id,
            name,
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
            adaptive_limit,
            breaker: Breaker::new(policy.breaker, now),
            retry_budget: RetryBudget::default(),
            policy,
        }
    }

    /// Its index among the configured groups; `None` for the placeholder to which requests without a route belong.
    pub fn id(&self) -> Option<GroupId> {
        self.id
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does for its requests and its backends.
    pub fn policy(&self) -> &GroupPolicy {
        &self.policy
    }

    /// How it picks a backend.
    pub fn lb_policy(&self) -> &LbPolicyConfig {
        &self.policy.lb_policy
    }

    /// The affinity cookie that ties a client to its backend.
    pub fn sticky_cookie(&self) -> Option<&StickyCookie> {
        self.policy.lb_policy.sticky.as_ref()
    }

    /// The backend that a cookie value ties its client to.
    pub fn find_sticky_backend(&self, cookie_value: StickyValue, now: Instant) -> Option<BackendId> {
        let matches = |backend: &&Arc<Backend>| backend.sticky_value() == Some(cookie_value);
        self.current_view(now).members.iter().find(matches).map(|backend| backend.id())
    }

    /// The change notifier that its backends share.
    pub fn change_notifier(&self) -> &Arc<ChangeNotifier> {
        &self.change_notifier
    }

    /// The members now.
    pub fn members(&self) -> Vec<Arc<Backend>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the members, and publishes the change.
    pub fn update_members<T>(&self, change: impl FnOnce(&mut Vec<Arc<Backend>>) -> T) -> T {
        let changed = change(&mut self.members.lock().unwrap_or_else(PoisonError::into_inner));
        self.change_notifier.notify();
        changed
    }

    /// Requests in flight to its backends. Reads every backend's counter, so it is not for the request path.
    pub fn in_flight(&self) -> u32 {
        self.members().iter().map(|backend| backend.concurrency.in_flight()).sum()
    }

    /// Whether the group is in panic mode: the health status of its backends is ignored.
    pub fn is_in_panic(&self, now: Instant) -> bool {
        self.current_view(now).in_panic
    }

    // ANCHOR: choose
    /// Chooses an eligible backend that is not in `tried`, and takes a slot of it.
    pub fn choose(&self, now: Instant, affinity: Affinity, tried: &[BackendId]) -> Selection {
        let view = self.current_view(now);
        if let Some(in_flight) = affinity.sticky_backend.and_then(|id| self.acquire_sticky(&view, id, tried, now)) {
            return Selection::Backend(in_flight);
        }
        match (&self.stick_table, affinity.client) {
            (Some(table), Some(client)) => {
                self.choose_by_stick_table(&view, (table, client), now, affinity.hash, tried)
            }
            _ => self.pick(&view, now, affinity.hash, tried),
        }
    }

    /// Picks a backend by the algorithm.
    fn pick(&self, view: &BackendView, now: Instant, hash: u64, tried: &[BackendId]) -> Selection {
        // Backends that were picked but could not be acquired: another request holds the half-open permit, the last
        // slot was taken in between, or slow start rejected the pick.
        let mut skipped = Vec::new();
        let mut slow_starting = None;
        loop {
            let eligible = |backend: &Arc<Backend>| {
                !tried.contains(&backend.id()) && !skipped.contains(&backend.id()) && !backend.concurrency.is_at_limit()
            };
            let Some(backend) = view.picker.pick(hash, now, eligible) else { break };
            if !backend.slow_start.accepts_pick(now) {
                slow_starting = slow_starting.or(Some(backend));
            } else if let Some(in_flight) = self.acquire(backend, now) {
                return Selection::Backend(in_flight);
            }
            skipped.push(backend.id());
        }
        // No other backend is available: then one in slow start is better than none.
        if let Some(in_flight) = slow_starting.and_then(|backend| self.acquire(backend, now)) {
            return Selection::Backend(in_flight);
        }
        let is_untried = |backend: &Arc<Backend>| !tried.contains(&backend.id());
        if view.picker.candidates().iter().any(is_untried) { Selection::AllAtLimit } else { Selection::NoBackend }
    }
    // ANCHOR_END: choose

    /// Takes a slot of the backend that the client is tied to, if it is healthy. A backend that is drained, or has
    /// weight 0, keeps the clients that are tied to it.
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

    /// Takes a slot of the backend, and its half-open permit if it is half-open.
    fn acquire(&self, backend: &Arc<Backend>, now: Instant) -> Option<InFlightGuard> {
        let is_half_open = backend.state(now) == BackendState::HalfOpen;
        let permit = if is_half_open { Some(backend.connect_breaker.try_acquire(now)?) } else { None };
        let in_flight =
            || InFlightGuard { backend: Arc::clone(backend), queue: Arc::clone(&self.queue), half_open_permit: permit };
        backend.concurrency.try_acquire().then(in_flight)
    }

    // ANCHOR: fresh
    /// The view to pick from, rebuilt if something has changed.
    fn current_view(&self, now: Instant) -> arc_swap::Guard<Arc<BackendView>> {
        let view = self.view.load();
        if self.is_current(&view, now) {
            return view;
        }
        self.rebuild_view(now);
        self.view.load()
    }
    // ANCHOR_END: fresh

    fn is_current(&self, view: &BackendView, now: Instant) -> bool {
        view.version == self.change_notifier.version() && view.valid_until.is_none_or(|expires| now < expires)
    }

    // ANCHOR: view
    /// Rebuilds the view. Rare: a health status has changed, or a mark-down or ejection has expired.
    fn rebuild_view(&self, now: Instant) {
        // Under the lock, so that an older view cannot replace a newer one.
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_current(&self.view.load(), now) {
            return; // another thread has rebuilt it while this one waited for the lock
        }
        let version = self.change_notifier.version();
        let pickable: Vec<_> = members.iter().filter(|backend| backend.weight() > 0).collect();
        let states: Vec<_> = pickable.iter().map(|backend| backend.state(now)).collect();
        let in_service = states.iter().filter(|state| **state != BackendState::Draining).count();
        let healthy = states.iter().filter(|state| matches!(state, BackendState::Up | BackendState::HalfOpen)).count();
        let in_panic = is_panic_mode(healthy, in_service);
        let is_candidate = |state: &BackendState| match state {
            BackendState::Up | BackendState::HalfOpen => true,
            // Failed checks and responses may have other causes, so panic mode ignores them; a refused connect is
            // certain. But a group's only backend is never excluded: there is no other to try.
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
                self.policy.lb_policy.algorithm,
                self.policy.lb_policy.balance_factor,
                candidates,
                Arc::clone(&self.counters),
            ),
            members: members.clone(),
        };
        let previous = self.view.swap(Arc::new(view));
        if previous.in_panic != in_panic {
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

/// A request in flight to a backend: holds a slot, and the half-open permit if the backend is half-open. Dropping it
/// releases both, also when a thread panics.
#[derive(Debug)]
pub struct InFlightGuard {
    backend: Arc<Backend>,
    queue: Arc<Queue>,
    half_open_permit: Option<crate::health::half_open::HalfOpenPermit>,
}

impl InFlightGuard {
    /// The backend of the request.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.backend.concurrency.release();
        // Before the wake-up: a request that finds the permit taken waits on, and nobody would wake it again.
        self.half_open_permit = None;
        self.queue.wake_next();
    }
}

mod group_policy;
mod source_affinity;
#[cfg(test)]
mod tests;
