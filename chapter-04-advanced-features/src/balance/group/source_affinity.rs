//! The choice for a client with affinity by address: the stick table first, then the algorithm.

use std::{net::IpAddr, time::Instant};

use common::http::BackendId;

use super::{BackendView, Group, Selection};
use crate::routing::StickTable;

impl Group {
    // ANCHOR: source
    /// Chooses the backend that the stick table has for this client, if it is healthy; else picks one by the algorithm
    /// and stores it.
    pub(super) fn choose_by_stick_table(
        &self,
        view: &BackendView,
        (table, client): (&StickTable, IpAddr),
        now: Instant,
        hash: u64,
        tried: &[BackendId],
    ) -> Selection {
        let previous = table.lookup(client, now);
        if let Some(in_flight) = previous.and_then(|id| self.acquire_sticky(view, id, tried, now)) {
            return Selection::Backend(in_flight);
        }
        let choice = self.pick(view, now, hash, tried);
        let Selection::Backend(in_flight) = &choice else { return choice };
        let stored = table.update(client, previous, in_flight.backend().id(), now);
        if stored == in_flight.backend().id() {
            return choice;
        }
        // Another request of this client has stored a backend in between: both go there.
        self.acquire_sticky(view, stored, tried, now).map_or(choice, Selection::Backend)
    }
    // ANCHOR_END: source
}
