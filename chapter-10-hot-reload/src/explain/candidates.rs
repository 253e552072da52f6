//! The backend that a request goes to, as far as the request decides it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::{
    balance::policy::{Algorithm, Candidate, PickCounters, Picker, hash},
    routing::RequestInfo,
};
use common::clock::now;

use super::report::{BackendReport, Explanation};
use crate::settings::{Backend, Feature, Group, Parsed};

/// A percentage with one digit: `33.3%`.
pub(super) fn share(part: u32, whole: u32) -> String {
    let tenths = (u64::from(part) * 2_000 + u64::from(whole)) / (2 * u64::from(whole).max(1));
    if tenths.is_multiple_of(10) { format!("{}%", tenths / 10) } else { format!("{}.{}%", tenths / 10, tenths % 10) }
}

/// A backend in a pick: idle and healthy.
struct Idle {
    index: usize,
    name_hash: u64,
    weight: u32,
}

impl Candidate for Idle {
    fn name_hash(&self) -> u64 {
        self.name_hash
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        0
    }

    fn latency(&self, _: Instant) -> Duration {
        Duration::ZERO
    }
}

/// The algorithm of a group: `wrr` if a backend has a weight and none is named.
fn algorithm_of(group: &Group) -> Algorithm {
    match &group.algorithm {
        Some(Parsed(algorithm)) => *algorithm,
        None if group.backends.iter().any(|backend| backend.weight != 1) => Algorithm::WeightedRoundRobin,
        None => Algorithm::RoundRobin,
    }
}

/// Adds the algorithm and the backends of a group.
pub(super) fn explain(group: &Group, info: &RequestInfo<'_>, explanation: &mut Explanation) {
    let algorithm = algorithm_of(group);
    let eligible = |backend: &Backend| backend.weight > 0 && !backend.backup;
    let candidates = group.backends.iter().enumerate().filter(|(_, backend)| eligible(backend));
    let candidates: Vec<_> = candidates.map(|(index, backend)| idle(index, backend)).collect();
    // Without load, which no file knows. Algorithms that ignore weights have none of another value than 1.
    let total = candidates.iter().map(|candidate| candidate.weight).sum();
    let is_hash = algorithm.is_consistent_hash() || algorithm == Algorithm::SourceHash;
    let key = &group.hash_key.0;
    let picked = match candidates.as_slice() {
        [only] => Some(only.index),
        _ if is_hash => {
            let hashed = key.hash_request(info, info.client, hash::hash);
            let picker = Picker::new(algorithm, None, candidates, Arc::new(PickCounters::default()));
            picker.pick(hashed, now(), |_| true).map(|picked| picked.index)
        }
        _ => None,
    };
    let how = if is_hash { format!("{algorithm} of {key}") } else { algorithm.to_string() };
    explanation.algorithm = Some(how.clone());
    explanation.backend = picked.map(|index| group.backends[index].endpoint.to_string());
    explanation.backends = group
        .backends
        .iter()
        .enumerate()
        .map(|(index, backend)| {
            let selected = picked == Some(index);
            let reason = match picked {
                _ if backend.weight == 0 => "its weight is 0: it gets only clients that stick to it".to_owned(),
                _ if backend.backup => "it is a backup, used only while no other backend can be".to_owned(),
                Some(_) if !is_hash => "the only one".to_owned(),
                Some(_) if selected => format!("the {how} leads here"),
                Some(_) => format!("the {how} leads elsewhere"),
                None => decides(algorithm).to_owned(),
            };
            let share = (picked.is_none() && eligible(backend)).then(|| share(backend.weight, total));
            BackendReport { name: backend.endpoint.to_string(), selected, share, reason }
        })
        .collect();
    if let Feature::On(sticky) = &group.sticky
        && info.cookies().any(|(name, _)| name == sticky.cookie.as_bytes())
    {
        explanation.algorithm = Some(format!("{how}, unless cookie {} ties the client to a backend", sticky.cookie));
    }
}

fn idle(index: usize, backend: &Backend) -> Idle {
    Idle { index, name_hash: hash::hash(backend.endpoint.to_string().as_bytes()), weight: backend.weight }
}

/// What decides among several backends, if not the request.
fn decides(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RoundRobin | Algorithm::WeightedRoundRobin => "each in turn",
        Algorithm::LeastConnections | Algorithm::WeightedLeastConnections => {
            "the one with the fewest requests in flight"
        }
        Algorithm::Random => "at random",
        Algorithm::PowerOfTwoChoices => "the less loaded of two drawn at random",
        Algorithm::PeakEwma => "the faster of two drawn at random",
        _ => "by hash",
    }
}
