//! What the admin API controls: the groups of a running balancer, and their members.

use std::{io, sync::Arc, time::Instant};

use common::endpoint::Endpoint;

use super::{request::AdminResponse, status::BackendStatus};
use crate::balance::{backend::Backend, group::Group, router::Router};

/// The balancer as the admin API sees it. Several threads may call it concurrently.
pub trait AdminOperations: Send + Sync {
    /// The groups as they are now.
    fn router(&self) -> Arc<Router>;

    /// Creates a backend for `group`, not yet its member, and resolves its name. May block for as long as the resolver.
    ///
    /// # Errors
    /// The name cannot be resolved.
    fn create_backend(&self, group: &Group, endpoint: &Endpoint) -> io::Result<Arc<Backend>>;
}

/// A backend and its group.
#[derive(Debug)]
pub(crate) struct GroupMember {
    pub(crate) group: Arc<Group>,
    pub(crate) backend: Arc<Backend>,
}

impl GroupMember {
    #[expect(clippy::unnecessary_wraps, reason = "the last step of a chain of fallible calls")]
    pub(crate) fn to_response(&self, status: u16, now: Instant) -> Result<AdminResponse, AdminResponse> {
        Ok(AdminResponse::json(status, &BackendStatus::new(&self.group, &self.backend, now)))
    }
}
