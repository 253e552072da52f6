//! All backends, and the round-robin choice among them.

use std::{sync::Arc, time::Instant};

use crate::{backend::Backend, round_robin::RoundRobin};

/// An immutable set of backends with its load balancing policy. Counters and health status in it change; the set of
/// backends does not. (Chapter 10 swaps one cluster for another.)
#[derive(Debug)]
pub struct Cluster {
    backends: Vec<Arc<Backend>>,
    round_robin: RoundRobin,
}

impl Cluster {
    /// A cluster of `backends`.
    pub fn new(backends: Vec<Arc<Backend>>) -> Self {
        Self { backends, round_robin: RoundRobin::default() }
    }

    /// All backends, in the order of the command line.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// The next backend in round-robin order that is up at `now` and not in `tried`. A single backend is never
    /// skipped as down, because there is no other to use in its place.
    /// `None` is answered with a 503 at once instead of trying a backend that is down: a dead cluster answers quickly,
    /// and `--down-time` later its backends are tried again.
    pub fn choose(&self, now: Instant, tried: &[Arc<Backend>]) -> Option<&Arc<Backend>> {
        let usable = |slot: usize| {
            let backend = &self.backends[slot];
            let is_up = self.backends.len() == 1 || !backend.is_down(now);
            is_up && tried.iter().all(|tried| tried.id() != backend.id())
        };
        self.round_robin.pick(self.backends.len(), usable).map(|slot| &self.backends[slot])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::http::BackendId;

    use super::*;

    #[test]
    fn skips_down_and_tried_backends() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let backend = |slot| {
            let id = BackendId { slot, generation: 0 };
            Arc::new(Backend::new(id, format!("127.0.0.1:{}", slot + 1).parse().unwrap(), Vec::new(), now))
        };
        let cluster = Cluster::new((0..3).map(backend).collect());
        let [first, second, third] = cluster.backends() else { unreachable!() };
        first.mark_down(now, Duration::from_secs(10));
        let tried = [Arc::clone(second)];
        assert_eq!(cluster.choose(now, &tried).unwrap().id(), third.id());
        third.mark_down(now, Duration::from_secs(10));
        assert!(cluster.choose(now, &tried).is_none());
        assert!(cluster.choose(now + Duration::from_secs(11), &tried).is_some());
    }
}
