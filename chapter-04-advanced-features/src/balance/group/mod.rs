//! A group of backends that can stand in for each other, and the choice among them.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use common::http::BackendId;

use super::{
    backend::{Backend, State},
    change_notifier::Bulletin,
    policy::{Algorithm, Picker, Turns},
};
use crate::{
    health::{
        breaker::{self, Breaker},
        panic_threshold::in_panic,
    },
    limit::{queue::Queue, retry_budget::RetryBudget},
    routing::{StickTable, Sticky, StickyValue},
};

/// How a group chooses.
#[derive(Debug, Clone, Default)]
pub struct Choosing {
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// How much more than the average one backend may have, for the consistent hashes.
    pub balance_factor: Option<f64>,
    /// The cookie that brings a client back to its backend.
    pub sticky: Option<Sticky>,
    /// Clients without that cookie are remembered by their address until they have been away for so long.
    pub sticky_source: Option<Duration>,
}

/// What a request wants of a group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// The hash of what is to stay at one backend.
    pub hash: u64,
    /// The backend that the client was at before, by its cookie.
    pub sticky: Option<BackendId>,
    /// Who asks, for a group that remembers its clients.
    pub client: Option<IpAddr>,
}

/// What came of a choice.
#[derive(Debug)]
pub enum Choice {
    /// This one, with a slot of its.
    Backend(InFlight),
    /// Those that it may go to are at their limits: it may wait.
    Full,
    /// There is none that it may go to.
    Nobody,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    name: String,
    choosing: Choosing,
    /// Who belongs to it. Changed under the lock, with a notice on the bulletin.
    members: Mutex<Vec<Arc<Backend>>>,
    bulletin: Arc<Bulletin>,
    view: ArcSwap<View>,
    turns: Arc<Turns>,
    remembered: Option<StickTable>,
    /// Those who wait for a slot.
    pub queue: Arc<Queue>,
    /// Whether it is left alone.
    pub breaker: Breaker,
    /// The retries that are still allowed.
    pub budget: RetryBudget,
}

/// The backends as they were at one moment: what a request picks from.
#[derive(Debug)]
struct View {
    /// The bulletin's count when it was made.
    changes: u64,
    /// When a mark runs out by itself.
    expires: Option<Instant>,
    /// The marks are not believed: fewer than half would be left.
    panic: bool,
    picker: Picker<Arc<Backend>>,
    members: Vec<Arc<Backend>>,
}

impl Group {
    /// A group without backends yet; at most `queued` requests may wait in it.
    pub fn new(name: String, choosing: Choosing, queued: usize, breaker: breaker::Limits, now: Instant) -> Self {
        let turns = Arc::new(Turns::default());
        let picker = Picker::new(choosing.algorithm, choosing.balance_factor, Vec::new(), Arc::clone(&turns));
        let queue = Arc::new(Queue::new(queued));
        let remembered = choosing.sticky_source.map(|idle| StickTable::new(StickTable::ENTRIES, idle));
        Self {
            name,
            choosing,
            members: Mutex::default(),
            bulletin: Arc::new(Bulletin::new(Arc::clone(&queue))),
            view: ArcSwap::from_pointee(View {
                changes: u64::MAX,
                expires: None,
                panic: false,
                picker,
                members: Vec::new(),
            }),
            turns,
            remembered,
            queue,
            breaker: Breaker::new(breaker, now),
            budget: RetryBudget::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it chooses.
    pub fn choosing(&self) -> &Choosing {
        &self.choosing
    }

    /// The cookie that brings a client back to its backend.
    pub fn sticky(&self) -> Option<&Sticky> {
        self.choosing.sticky.as_ref()
    }

    /// To whom a client is tied that brings this.
    pub fn tied_to(&self, presented: StickyValue, now: Instant) -> Option<BackendId> {
        let tied = |backend: &&Arc<Backend>| backend.sticky() == Some(presented);
        self.view(now).members.iter().find(tied).map(|backend| backend.id())
    }

    /// Where its backends say what has changed.
    pub fn bulletin(&self) -> &Arc<Bulletin> {
        &self.bulletin
    }

    /// Who belongs to it now.
    pub fn members(&self) -> Vec<Arc<Backend>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes who belongs to it.
    pub fn change_members<T>(&self, change: impl FnOnce(&mut Vec<Arc<Backend>>) -> T) -> T {
        let changed = change(&mut self.members.lock().unwrap_or_else(PoisonError::into_inner));
        self.bulletin.changed();
        changed
    }

    /// Requests under way to its backends. A look at each of them: not for the steady path.
    pub fn in_flight(&self) -> u32 {
        self.members().iter().map(|backend| backend.slots.taken()).sum()
    }

    /// Whether the marks on its backends are not believed.
    pub fn panics(&self, now: Instant) -> bool {
        self.view(now).panic
    }

    // ANCHOR: choose
    /// Chooses one of those that may be picked and are not in `tried`, and takes a slot of it.
    pub fn choose(&self, now: Instant, wish: Wish, tried: &[BackendId]) -> Choice {
        let view = self.view(now);
        if let Some(taken) = wish.sticky.and_then(|id| self.take_sticky(&view, id, tried, now)) {
            return Choice::Backend(taken);
        }
        match (&self.remembered, wish.client) {
            (Some(table), Some(client)) => self.choose_by_source(&view, (table, client), now, wish.hash, tried),
            _ => self.pick(&view, now, wish.hash, tried),
        }
    }

    /// Picks one by the algorithm.
    fn pick(&self, view: &View, now: Instant, hash: u64, tried: &[BackendId]) -> Choice {
        // Who turns a request away for a reason that shows only once it is asked: a trial that another request has,
        // a slot that is gone meanwhile, a ramp.
        let mut passed_over = Vec::new();
        let mut ramping = None;
        loop {
            let allowed = |backend: &Arc<Backend>| {
                !tried.contains(&backend.id()) && !passed_over.contains(&backend.id()) && !backend.slots.is_full()
            };
            let Some(backend) = view.picker.pick(hash, now, allowed) else { break };
            if !backend.slow_start.admits(now) {
                ramping = ramping.or(Some(backend));
            } else if let Some(taken) = self.take(backend, now) {
                return Choice::Backend(taken);
            }
            passed_over.push(backend.id());
        }
        // Nobody else would have it: then a backend that is still warming up is better than none.
        if let Some(taken) = ramping.and_then(|backend| self.take(backend, now)) {
            return Choice::Backend(taken);
        }
        let is_untried = |backend: &Arc<Backend>| !tried.contains(&backend.id());
        if view.picker.candidates().iter().any(is_untried) { Choice::Full } else { Choice::Nobody }
    }
    // ANCHOR_END: choose

    /// The backend that the client was at before, if it is well: one that is drained, or has weight 0, keeps those
    /// who stick to it.
    fn take_sticky(&self, view: &View, id: BackendId, tried: &[BackendId], now: Instant) -> Option<InFlight> {
        let backend = view.members.iter().find(|backend| backend.id() == id && !tried.contains(&id))?;
        let is_well = matches!(backend.state(now), State::Up | State::Draining | State::OnTrial);
        if is_well { self.take(backend, now) } else { None }
    }

    /// Takes a slot of the backend, and its trial if it is on one.
    fn take(&self, backend: &Arc<Backend>, now: Instant) -> Option<InFlight> {
        let is_on_trial = backend.state(now) == State::OnTrial;
        let trial = if is_on_trial { Some(backend.trial.try_take(now)?) } else { None };
        let taken = || InFlight { backend: Arc::clone(backend), queue: Arc::clone(&self.queue), _trial: trial };
        backend.slots.try_take().then(taken)
    }

    // ANCHOR: fresh
    /// The snapshot to pick from, made anew if something has changed.
    fn view(&self, now: Instant) -> arc_swap::Guard<Arc<View>> {
        let view = self.view.load();
        let is_fresh = view.changes == self.bulletin.changes() && view.expires.is_none_or(|expires| now < expires);
        if is_fresh {
            return view;
        }
        self.look_again(now);
        self.view.load()
    }
    // ANCHOR_END: fresh

    // ANCHOR: view
    /// Makes the snapshot anew. Rare: a mark has changed, or has run out.
    fn look_again(&self, now: Instant) {
        // Under the lock, so that an older look cannot replace a newer one.
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.bulletin.changes();
        let pickable: Vec<_> = members.iter().filter(|backend| backend.weight() > 0).collect();
        let states: Vec<_> = pickable.iter().map(|backend| backend.state(now)).collect();
        let in_service = states.iter().filter(|state| **state != State::Draining).count();
        let well = states.iter().filter(|state| matches!(state, State::Up | State::OnTrial)).count();
        let panic = in_panic(well, in_service);
        let is_candidate = |state: &State| match state {
            State::Up | State::OnTrial => true,
            // What checks and failures say is an opinion; a connect that was refused a moment ago is a fact. But an
            // only backend is never left out: there is nobody to ask in its place.
            State::Down | State::Ejected { .. } => panic,
            State::Refused { .. } => in_service == 1,
            State::Draining => false,
        };
        let candidates: Vec<_> = pickable
            .iter()
            .zip(&states)
            .filter(|(_, state)| is_candidate(state))
            .map(|(backend, _)| Arc::clone(backend))
            .collect();
        let expires = states.iter().filter_map(|state| match state {
            State::Refused { until } | State::Ejected { until } => Some(*until),
            _ => None,
        });
        let view = View {
            changes,
            expires: expires.min(),
            panic,
            picker: Picker::new(
                self.choosing.algorithm,
                self.choosing.balance_factor,
                candidates,
                Arc::clone(&self.turns),
            ),
            members: members.clone(),
        };
        let before = self.view.swap(Arc::new(view));
        if before.panic != panic {
            self.say_panic(panic, well, in_service);
        }
    }
    // ANCHOR_END: view

    fn say_panic(&self, panic: bool, well: usize, of: usize) {
        let name = &self.name;
        if panic {
            tracing::error!(
                "group {name}: entering panic mode: only {well} of {of} backends are healthy, health status is ignored"
            );
        } else {
            tracing::warn!("group {name}: leaving panic mode: {well} of {of} backends are healthy");
        }
    }
}

/// A request under way to a backend: its slot, and its trial if it is on one. Dropping it gives both back, also
/// through a panic.
#[derive(Debug)]
pub struct InFlight {
    backend: Arc<Backend>,
    queue: Arc<Queue>,
    _trial: Option<crate::health::half_open::Pass>,
}

impl InFlight {
    /// Where it is.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.backend.slots.give_back();
        self.queue.freed();
    }
}

mod sticky_source;
#[cfg(test)]
mod tests;
