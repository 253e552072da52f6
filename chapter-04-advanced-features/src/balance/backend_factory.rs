//! Where backends are made, at the start and while all runs.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use common::{endpoint::Endpoint, http::BackendId};
use load_balancer::dns_refresher::Resolve;

use super::{
    backend::{Backend, BackendSettings},
    group::Group,
};

/// Makes backends, each with an id that no other has had.
pub(crate) struct BackendFactory {
    settings: BackendSettings,
    resolver: Box<dyn Resolve + Sync>,
    next_number: AtomicU64,
}

impl BackendFactory {
    pub(crate) fn new(settings: BackendSettings, resolver: impl Resolve + Sync) -> Self {
        Self { settings, resolver: Box::new(resolver), next_number: AtomicU64::new(0) }
    }

    /// A backend for `group`, not yet its member. Its name is resolved before this returns: better said now than
    /// found out by a client.
    pub(crate) fn create(&self, group: &Group, endpoint: &Endpoint, now: Instant) -> io::Result<Arc<Backend>> {
        let addresses = self.resolver.resolve(&endpoint.host, endpoint.port)?;
        let sticky = group.sticky().map(|sticky| sticky.value_for(&endpoint.to_string()));
        let notifier = Arc::clone(group.change_notifier());
        Ok(Arc::new(Backend::new(self.next_id(), endpoint.clone(), addresses, self.settings, sticky, notifier, now)))
    }

    fn next_id(&self) -> BackendId {
        let number = self.next_number.fetch_add(1, Relaxed);
        let slot = u16::try_from(number % (1 << 16)).expect("a remainder of 65,536");
        BackendId { slot, generation: u32::try_from(number >> 16).unwrap_or(u32::MAX) }
    }
}

impl fmt::Debug for BackendFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory")
            .field("settings", &self.settings)
            .field("made", &self.next_number)
            .finish_non_exhaustive()
    }
}
