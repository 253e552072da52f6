//! Backends that can set each other's faults.
//!
//! A backend that is down refuses connections, so `up` cannot be posted to it. Its siblings can forward the command:
//! `POST /_fault/up?id=backend-2` to any backend of the same [`BundledBackends`](crate::BundledBackends).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::fault::Command;

/// The backends that were started together, or a single backend.
#[derive(Debug, Clone, Default)]
pub(crate) struct BackendRegistry(Arc<Mutex<Vec<RegisteredBackend>>>);

/// One backend's id, address and command channel.
#[derive(Debug, Clone)]
pub(crate) struct RegisteredBackend {
    pub(crate) id: String,
    pub(crate) addr: SocketAddr,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
}

impl BackendRegistry {
    pub(crate) fn register(&self, backend: RegisteredBackend) {
        self.with_locked(|backends| backends.push(backend));
    }

    pub(crate) fn unregister(&self, addr: SocketAddr) {
        self.with_locked(|backends| backends.retain(|backend| backend.addr != addr));
    }

    /// The first backend that `wanted` accepts.
    pub(crate) fn find(&self, wanted: impl Fn(&RegisteredBackend) -> bool) -> Option<RegisteredBackend> {
        self.with_locked(|backends| backends.iter().find(|backend| wanted(backend)).cloned())
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.with_locked(|backends| backends.iter().map(|backend| backend.id.clone()).collect())
    }

    fn with_locked<R>(&self, update: impl FnOnce(&mut Vec<RegisteredBackend>) -> R) -> R {
        // The list is consistent after every step above, so a panic elsewhere has not broken it.
        update(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
