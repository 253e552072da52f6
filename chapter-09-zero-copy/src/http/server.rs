//! Chapter 8's server, whose large bodies are spliced.

use std::{io, sync::Arc};

use advanced_features::{admin::AdminHandler, program};
use common::{net::Listeners, shutdown::Shutdown};
use lb_metrics::{ObservableServer, exposition::family::count, observers::ObservedServer};
use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::pipe_splice::PipeSplice;
use crate::exposition::{COPIED, SPLICED};

/// A server of HTTP requests whose large bodies go through a pipe.
#[derive(Debug)]
pub struct SplicingServer {
    observable: Arc<ObservableServer>,
    splice: Arc<PipeSplice>,
}

impl SplicingServer {
    /// `observable`, with bodies moved by `splice`.
    ///
    /// # Errors
    /// Two metrics have one name.
    pub fn new(observable: ObservableServer, splice: PipeSplice) -> io::Result<Self> {
        let (observable, splice) = (Arc::new(observable), Arc::new(splice));
        let collector = BytesCollector::new(Arc::clone(observable.server()), Arc::clone(&splice));
        observable.exposition().register(Box::new(collector)).map_err(io::Error::other)?;
        Ok(Self { observable, splice })
    }
}

/// The bytes of the clients' sockets that went through a pipe, and the others.
fn spliced_and_copied(server: &ObservedServer, splice: &PipeSplice) -> (u64, u64) {
    // In this order: what is spliced in between must not be missing from the whole.
    let (spliced, bytes) = (splice.spliced(), server.client_bytes());
    (spliced, (bytes.received + bytes.sent).saturating_sub(spliced))
}

impl program::Server for SplicingServer {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        self.observable.run_with(&*self.splice, listeners, shutdown)
    }

    fn statistics(&self) -> String {
        let (spliced, copied) = spliced_and_copied(self.observable.server(), &self.splice);
        format!("{}\nbytes spliced {spliced}\nbytes copied {copied}", self.observable.statistics())
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        self.observable.admin_handlers()
    }
}

struct BytesCollector {
    server: Arc<ObservedServer>,
    splice: Arc<PipeSplice>,
    descs: [Desc; 2],
}

impl BytesCollector {
    fn new(server: Arc<ObservedServer>, splice: Arc<PipeSplice>) -> Self {
        Self { server, splice, descs: [SPLICED.desc(), COPIED.desc()] }
    }
}

impl Collector for BytesCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (spliced, copied) = spliced_and_copied(&self.server, &self.splice);
        vec![SPLICED.with_one(count(spliced)), COPIED.with_one(count(copied))]
    }
}
