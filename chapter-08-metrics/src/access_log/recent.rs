//! The last requests that were slow or failed: what you look at first when something is wrong now.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// How many are kept.
pub const MAX_RECENT: usize = 100;

/// The last of them, as lines. Each worker has its own list.
#[derive(Debug)]
pub struct RecentRequests(Vec<Mutex<VecDeque<RecentRequest>>>);

#[derive(Clone, Debug)]
struct RecentRequest {
    ended_at: Instant,
    line: Vec<u8>,
}

impl RecentRequests {
    /// For `workers` workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::default()).collect())
    }

    /// Adds the request of a worker that ended at `ended_at`. A worker never waits: if its list is being read at this
    /// moment, the request is not in it.
    pub fn push(&self, worker_id: usize, ended_at: Instant, line: &[u8]) {
        let Ok(mut list) = self.0[worker_id].try_lock() else { return };
        // The memory of the oldest is used again.
        let oldest = if list.len() < MAX_RECENT { None } else { list.pop_front() };
        let mut kept = oldest.map(|oldest| oldest.line).unwrap_or_default();
        kept.clear();
        // With some room, so that a line which is a digit longer allocates nothing.
        kept.reserve(line.len().next_multiple_of(512));
        kept.extend_from_slice(line);
        list.push_back(RecentRequest { ended_at, line: kept });
    }

    /// The lines of all workers, the newest first, at most [`MAX_RECENT`].
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let copy = |list: &Mutex<VecDeque<_>>| list.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all: Vec<RecentRequest> = self.0.iter().flat_map(copy).collect();
        all.sort_by_key(|request| std::cmp::Reverse(request.ended_at));
        all.into_iter().take(MAX_RECENT).map(|request| request.line).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::clock::now;

    use super::*;

    #[test]
    fn the_newest_of_all_workers_come_first() {
        let (recent, start) = (RecentRequests::new(2), now());
        for number in 0..300_u64 {
            let ended_at = start + Duration::from_millis(number);
            recent.push(usize::from(number % 3 == 0), ended_at, number.to_string().as_bytes());
        }
        let expected: Vec<_> = (200..300).rev().map(|number| number.to_string().into_bytes()).collect();
        assert_eq!(recent.lines(), expected);
        assert!(RecentRequests::new(1).lines().is_empty());
    }

    #[test]
    fn a_worker_does_not_wait_for_a_reader() {
        let recent = RecentRequests::new(1);
        let reader = recent.0[0].lock().unwrap();
        recent.push(0, now(), b"lost");
        drop(reader);
        recent.push(0, now(), b"kept");
        assert_eq!(recent.lines(), [b"kept"]);
    }
}
