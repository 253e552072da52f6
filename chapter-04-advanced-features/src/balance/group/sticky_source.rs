//! The choice for a client that the group remembers by its address.

use std::{net::IpAddr, time::Instant};

use common::http::BackendId;

use super::{BackendView, Choice, Group};
use crate::routing::StickTable;

impl Group {
    // ANCHOR: source
    /// Chooses the backend that this client was at before, if it is well; else one by the algorithm, which is its
    /// backend from now on.
    pub(super) fn choose_by_stick_table(
        &self,
        view: &BackendView,
        (table, client): (&StickTable, IpAddr),
        now: Instant,
        hash: u64,
        tried: &[BackendId],
    ) -> Choice {
        let previous = table.lookup(client, now);
        if let Some(in_flight) = previous.and_then(|id| self.acquire_sticky(view, id, tried, now)) {
            return Choice::Backend(in_flight);
        }
        let choice = self.pick(view, now, hash, tried);
        let Choice::Backend(taken) = &choice else { return choice };
        let stored = table.update(client, previous, taken.backend().id(), now);
        if stored == taken.backend().id() {
            return choice;
        }
        // Another request of this client has been placed meanwhile: both go there.
        self.acquire_sticky(view, stored, tried, now).map_or(choice, Choice::Backend)
    }
    // ANCHOR_END: source
}
