//! The state that all connections of one backend share.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderValue;
use tokio::sync::watch;

use crate::backend_registry::BackendRegistry;
use crate::counters::Counters;
use crate::fault::Fault;

/// One backend as its connections see it. Only the acceptor writes `fault` and `down_count`.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) id: String,
    /// The id as the value of `X-Server-ID`.
    pub(crate) id_field: HeaderValue,
    pub(crate) addr: SocketAddr,
    pub(crate) counters: Counters,
    pub(crate) fault: watch::Sender<Fault>,
    /// How often it went down. A connection watches this and not the fault: a fault that is cleared at once may be gone
    /// before the connection's task runs.
    pub(crate) down_count: watch::Sender<u64>,
    /// The backends that a `/_fault/*` request may address: this one and its siblings.
    pub(crate) registry: BackendRegistry,
}

/// A request in flight, from its head until its response's body has ended or was dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<State>);

impl InFlight {
    pub(crate) fn start(state: &Arc<State>) -> Self {
        state.counters.request_started();
        Self(Arc::clone(state))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counters.request_ended();
    }
}
