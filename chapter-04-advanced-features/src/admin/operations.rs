//! What the admin interface works on: the groups of a running balancer, and one of their members.

use std::{io, sync::Arc, time::Instant};

use common::endpoint::Endpoint;

use super::{request::AdminResponse, status::BackendStatus};
use crate::balance::{backend::Backend, cluster::Cluster, group::Group};

/// What the interface works on. It may be asked by several threads at once.
pub trait ClusterControl: Send + Sync {
    /// The groups as they are now.
    fn cluster(&self) -> Arc<Cluster>;

    /// A new backend for `group`, not yet its member, its name resolved. May block for as long as a resolver does.
    ///
    /// # Errors
    /// The name has no address.
    fn create_backend(&self, group: &Group, endpoint: &Endpoint) -> io::Result<Arc<Backend>>;
}

/// A backend and the group it belongs to.
#[derive(Debug)]
pub(crate) struct GroupMember {
    pub(crate) group: Arc<Group>,
    pub(crate) backend: Arc<Backend>,
}

impl GroupMember {
    #[expect(clippy::unnecessary_wraps, reason = "the last step of what may fail before")]
    pub(crate) fn to_response(&self, status: u16, now: Instant) -> Result<AdminResponse, AdminResponse> {
        Ok(AdminResponse::json(status, &BackendStatus::new(&self.group, &self.backend, now)))
    }
}
