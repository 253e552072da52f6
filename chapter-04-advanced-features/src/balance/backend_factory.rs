//! Creates backends, at the start and at run time.

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

use super::{backend::Backend, group::Group};

/// Creates backends, each with an id that was never used before.
pub(crate) struct BackendFactory {
    resolver: Box<dyn Resolve + Sync>,
    next_number: AtomicU64,
}

impl BackendFactory {
    pub(crate) fn new(resolver: impl Resolve + Sync) -> Self {
        Self { resolver: Box::new(resolver), next_number: AtomicU64::new(0) }
    }

    /// Creates a backend for `group`, not yet its member. Resolves its name before it returns, so that a wrong name
    /// fails here and not at a client's request.
    pub(crate) fn create(&self, group: &Group, endpoint: &Endpoint, now: Instant) -> io::Result<Arc<Backend>> {
        let addresses = self.resolver.resolve(&endpoint.host, endpoint.port)?;
        let sticky = group.sticky_cookie().map(|sticky| sticky.value_for(&endpoint.to_string()));
        let notifier = Arc::clone(group.change_notifier());
        let settings = group.policy().backend_settings.clone();
        Ok(Arc::new(Backend::new(self.next_id(), endpoint.clone(), addresses, settings, sticky, notifier, now)))
    }

    fn next_id(&self) -> BackendId {
        let number = self.next_number.fetch_add(1, Relaxed);
        let slot = u16::try_from(number % (1 << 16)).expect("a remainder of 65,536");
        BackendId { slot, generation: u32::try_from(number >> 16).unwrap_or(u32::MAX) }
    }
}

impl fmt::Debug for BackendFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendFactory").field("next_number", &self.next_number).finish_non_exhaustive()
    }
}
