//! What has changed between two looks at a balancer.
//!
//! A look costs a few loads per backend. So it can be taken each second even if nobody is connected, and someone who opens
//! the page after an incident finds it in the list. What begins and ends between two looks is seen only where something
//! counts it, as ejections are.

use std::{collections::HashMap, sync::Arc, time::Instant};

use advanced_features::balance::{backend::Backend, group::Group};

use super::{
    document::{LiveEventKind, LiveLimit, LiveState},
    source::{LiveSource, live_id, live_state},
};

/// A balancer at one moment.
#[derive(Debug, Default)]
pub(super) struct Observation {
    groups: Vec<ObservedGroup>,
    /// In the order of the groups.
    backends: Vec<ObservedBackend>,
    limits: Vec<LiveLimit>,
}

#[derive(Debug)]
struct ObservedGroup {
    name: String,
    breaker_open: bool,
    panic: bool,
    shed: u64,
}

#[derive(Debug)]
struct ObservedBackend {
    group: Arc<Group>,
    backend: Arc<Backend>,
    state: LiveState,
    draining: bool,
    ejections: u64,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: LiveEventKind,
    pub(super) subject: String,
    /// The group of a backend; else empty.
    pub(super) group: String,
    /// The requests that were refused or shed; else 0.
    pub(super) count: u64,
}

impl Observation {
    /// The balancer as it is at `now`.
    pub(super) fn of(source: &LiveSource, now: Instant) -> Self {
        let groups = source.groups();
        let observe = |group: &Group| ObservedGroup {
            name: group.name().to_owned(),
            breaker_open: group.breaker.is_open(),
            panic: group.is_in_panic(now),
            shed: group.queue.shed(),
        };
        let members = groups.iter().flat_map(|group| group.members().into_iter().map(move |backend| (group, backend)));
        let backends = members.map(|(group, backend)| ObservedBackend::of(group, backend, now)).collect();
        Self { groups: groups.iter().map(|group| observe(group)).collect(), backends, limits: source.limits() }
    }

    /// What has changed since `before`.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = self.backend_changes(before);
        for (group, before) in self.groups.iter().zip(&before.groups) {
            changes.extend(group.changes_since(before));
        }
        for (limit, before) in self.limits.iter().zip(&before.limits).filter(|(limit, _)| !limit.dry_run) {
            changes.extend(counted(LiveEventKind::Limited, &limit.name, before.refused, limit.refused));
        }
        changes
    }

    fn backend_changes(&self, before: &Self) -> Vec<Change> {
        let id = |observed: &ObservedBackend| live_id(observed.backend.id());
        let mut gone: HashMap<_, _> = before.backends.iter().map(|observed| (id(observed), observed)).collect();
        let mut changes = Vec::new();
        for observed in &self.backends {
            match gone.remove(&id(observed)) {
                Some(before) => changes.extend(observed.changes_since(before)),
                None => changes.push(observed.change(LiveEventKind::Added)),
            }
        }
        let removed = before.backends.iter().filter(|observed| gone.contains_key(&id(observed)));
        changes.extend(removed.map(|observed| observed.change(LiveEventKind::Removed)));
        changes
    }
}

impl ObservedGroup {
    fn changes_since(&self, before: &Self) -> impl Iterator<Item = Change> {
        use LiveEventKind::{BreakerClosed, BreakerOpen, Panic, PanicOver, Shed};
        let switched = |was: bool, is: bool, [on, off]: [LiveEventKind; 2]| {
            (was != is).then(|| change(if is { on } else { off }, &self.name, "", 0))
        };
        let breaker = switched(before.breaker_open, self.breaker_open, [BreakerOpen, BreakerClosed]);
        let panic = switched(before.panic, self.panic, [Panic, PanicOver]);
        [breaker, panic, counted(Shed, &self.name, before.shed, self.shed)].into_iter().flatten()
    }
}

impl ObservedBackend {
    fn of(group: &Arc<Group>, backend: Arc<Backend>, now: Instant) -> Self {
        let (state, draining, ejections) =
            (live_state(backend.state(now)).0, backend.is_draining(), backend.ejections());
        Self { group: Arc::clone(group), backend, state, draining, ejections }
    }

    fn change(&self, kind: LiveEventKind) -> Change {
        change(kind, &self.backend.name(), self.group.name(), 0)
    }

    fn changes_since(&self, before: &Self) -> impl Iterator<Item = Change> {
        let drained = if self.draining { LiveEventKind::Drained } else { LiveEventKind::Enabled };
        let drained = (self.draining != before.draining).then_some(drained);
        // By their count: an ejection may be shorter than the time between two looks.
        let ejected = (self.ejections > before.ejections).then_some(LiveEventKind::Ejected);
        let health = health_change(before.state, self.state).filter(|kind| *kind != LiveEventKind::Ejected);
        [drained, ejected, health].into_iter().flatten().map(|kind| self.change(kind))
    }
}

/// The change of a backend's health, whether an operator has drained it or not.
fn health_change(before: LiveState, state: LiveState) -> Option<LiveEventKind> {
    let kind = |state| match state {
        LiveState::Up | LiveState::Drain => LiveEventKind::Up,
        LiveState::HalfOpen => LiveEventKind::HalfOpen,
        LiveState::Ejected => LiveEventKind::Ejected,
        // No balancer says the latter of its own backends.
        LiveState::Down | LiveState::Other => LiveEventKind::Down,
    };
    (kind(before) != kind(state)).then(|| kind(state))
}

fn counted(kind: LiveEventKind, subject: &str, before: u64, count: u64) -> Option<Change> {
    (count > before).then(|| change(kind, subject, "", count - before))
}

fn change(kind: LiveEventKind, subject: &str, group: &str, count: u64) -> Change {
    Change { kind, subject: subject.to_owned(), group: group.to_owned(), count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(breaker_open: bool, panic: bool, shed: u64) -> Observation {
        let groups = vec![ObservedGroup { name: "api".into(), breaker_open, panic, shed }];
        Observation { groups, ..Observation::default() }
    }

    fn limit(dry_run: bool, refused: u64) -> Observation {
        let limit = LiveLimit { name: "ip".into(), rule: String::new(), dry_run, allowed: 0, refused };
        Observation { limits: vec![limit], ..Observation::default() }
    }

    #[test]
    fn a_group_changes_when_its_breaker_its_panic_mode_or_its_count_does() {
        use LiveEventKind::{BreakerClosed, BreakerOpen, Panic, PanicOver, Shed};
        for (before, after, expected) in [
            (group(false, false, 3), group(false, false, 3), vec![]),
            (group(false, false, 3), group(true, true, 5), vec![(BreakerOpen, 0), (Panic, 0), (Shed, 2)]),
            (group(true, true, 5), group(false, false, 5), vec![(BreakerClosed, 0), (PanicOver, 0)]),
        ] {
            let changes = after.changes_since(&before);
            assert!(changes.iter().all(|change| change.subject == "api" && change.group.is_empty()));
            let actual: Vec<_> = changes.iter().map(|change| (change.kind, change.count)).collect();
            assert_eq!(actual, expected);
        }
    }

    #[test]
    fn a_limit_that_only_counts_has_refused_nothing() {
        let changes = limit(false, 7).changes_since(&limit(false, 3));
        assert_eq!(changes, [change(LiveEventKind::Limited, "ip", "", 4)]);
        assert_eq!(limit(true, 7).changes_since(&limit(true, 3)), []);
    }

    #[test]
    fn a_drained_backend_is_as_healthy_as_it_was() {
        use LiveEventKind as Kind;
        use LiveState::{Down, Drain, Ejected, HalfOpen, Up};
        for (before, after, expected) in [
            (Up, Drain, None),
            (Drain, Up, None),
            (Up, Up, None),
            (Drain, Down, Some(Kind::Down)),
            (Down, Drain, Some(Kind::Up)),
            (Down, HalfOpen, Some(Kind::HalfOpen)),
            (HalfOpen, Up, Some(Kind::Up)),
            (Up, Ejected, Some(Kind::Ejected)),
        ] {
            assert_eq!(health_change(before, after), expected, "{before:?} to {after:?}");
        }
    }
}
