//! What the admin interface works on: the groups of a running balancer, and one of their members.

use std::{io, sync::Arc, time::Instant};

use common::endpoint::Endpoint;

use super::{request::Response, status::BackendView};
use crate::balance::{backend::Backend, cluster::Cluster, group::Group};

/// What the interface works on. It may be asked by several threads at once.
pub trait Operations: Send + Sync {
    /// The groups as they are now.
    fn cluster(&self) -> Arc<Cluster>;

    /// A new backend for `group`, not yet its member, its name resolved. May block for as long as a resolver does.
    ///
    /// # Errors
    /// The name has no address.
    fn backend(&self, group: &Group, endpoint: &Endpoint) -> io::Result<Arc<Backend>>;
}

/// A backend and the group it belongs to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) group: Arc<Group>,
    pub(crate) backend: Arc<Backend>,
}

impl Found {
    #[expect(clippy::unnecessary_wraps, reason = "the last step of what may fail before")]
    pub(crate) fn show(&self, status: u16, now: Instant) -> Result<Response, Response> {
        Ok(Response::show(status, &BackendView::of(&self.group, &self.backend, now)))
    }
}
