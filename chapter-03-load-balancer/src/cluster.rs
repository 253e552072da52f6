//! All backends, and the choice among them.

use std::{sync::Arc, time::Instant};

use crate::{backend::Backend, pick::Pick};

/// An immutable set of backends with its load balancing policy. Counters and health status in it change; the set of
/// backends does not. (Chapter 10 swaps one cluster for another.)
#[derive(Debug)]
pub struct Cluster {
    backends: Vec<Arc<Backend>>,
    picker: Box<dyn Pick>,
}

impl Cluster {
    /// A cluster of `backends`, of which `picker` picks one for each request.
    pub fn new(backends: Vec<Arc<Backend>>, picker: Box<dyn Pick>) -> Self {
        Self { backends, picker }
    }

    /// All backends, in the order of the command line.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Picks a backend that is up at `now` and not in `tried`. A single backend is never skipped as down, because there
    /// is no other to use in its place.
    /// `None` is answered with a 503 at once instead of trying a backend that is down: a dead cluster answers quickly,
    /// and `--down-time` later its backends are tried again.
    pub fn choose(&self, now: Instant, tried: &[Arc<Backend>]) -> Option<&Arc<Backend>> {
        let is_untried = |backend: &Backend| tried.iter().all(|tried| tried.id() != backend.id());
        let is_up = |backend: &Backend| self.backends.len() == 1 || !backend.is_down(now);
        let is_usable =
            |slot: usize| self.backends.get(slot).is_some_and(|backend| is_up(backend) && is_untried(backend));
        let slot = self.picker.pick(self.backends.len(), &is_usable)?;
        // Checked, because a picker that repeats a backend must not make the failover loop endless. Whether the backend
        // is up is not checked again: that may have changed since the pick.
        self.backends.get(slot).filter(|backend| is_untried(backend))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::http::BackendId;

    use super::*;
    use crate::round_robin::RoundRobin;

    /// A cluster of three backends, and an instant at which all are up.
    fn cluster(picker: impl Pick + 'static) -> (Cluster, Instant) {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let backend = |slot| {
            let id = BackendId { slot, generation: 0 };
            Arc::new(Backend::new(id, format!("127.0.0.1:{}", slot + 1).parse().unwrap(), Vec::new(), now))
        };
        (Cluster::new((0..3).map(backend).collect(), Box::new(picker)), now)
    }

    #[test]
    fn skips_down_and_tried_backends() {
        let (cluster, now) = cluster(RoundRobin::default());
        let [first, second, third] = cluster.backends() else { unreachable!() };
        first.mark_down(now, Duration::from_secs(10));
        let tried = [Arc::clone(second)];
        assert_eq!(cluster.choose(now, &tried).unwrap().id(), third.id());
        third.mark_down(now, Duration::from_secs(10));
        assert!(cluster.choose(now, &tried).is_none());
        assert!(cluster.choose(now + Duration::from_secs(11), &tried).is_some());
    }

    /// Picks this slot, usable or not.
    #[derive(Debug)]
    struct Always(usize);

    impl Pick for Always {
        fn pick(&self, _backends: usize, _is_usable: &dyn Fn(usize) -> bool) -> Option<usize> {
            Some(self.0)
        }
    }

    #[test]
    fn wrong_pick_neither_repeats_a_backend_nor_panics() {
        let (repeating, now) = cluster(Always(0));
        let first = Arc::clone(repeating.choose(now, &[]).unwrap());
        assert!(repeating.choose(now, &[first]).is_none());
        let (out_of_range, now) = cluster(Always(3));
        assert!(out_of_range.choose(now, &[]).is_none());
    }
}
