//! The server of `--mode http`: chapter 8's, with PROXY headers before its clients' requests, and with large bodies that
//! are spliced.

use std::{fmt::Write as _, io, sync::Arc};

use advanced_features::{admin::AdminHandler, program};
use common::{net::Listeners, shutdown::Shutdown};
use lb_metrics::{
    ObservableServer,
    exposition::family::{Family, count},
    observers::ObservedServer,
};
use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{pipe_splice::PipeSplice, prelude::ProxyPrelude};
use crate::{
    exposition::{COPIED, SPLICED},
    session::prelude::PreludeConfig,
};

const HEADERS: Family = Family::counter(
    "lb_proxy_headers_total",
    &["end"],
    "Connections of proxies in --accept-proxy, by how the wait for their PROXY header has ended.",
);

/// Chapter 8's server, with what comes before the requests of trusted proxies, and what moves large bodies.
#[derive(Debug)]
pub(crate) struct HttpServer {
    observable: Arc<ObservableServer>,
    counts: Counts,
}

/// What the statistics and the metrics have beyond those of chapter 8.
#[derive(Debug, Clone)]
struct Counts {
    server: Arc<ObservedServer>,
    prelude: Arc<ProxyPrelude>,
    splice: Arc<PipeSplice>,
}

impl HttpServer {
    /// The server `observable`, with the headers that `prelude` asks for, and large bodies moved by `splice`.
    ///
    /// # Errors
    /// Two metrics have one name.
    pub(crate) fn new(observable: ObservableServer, prelude: PreludeConfig, splice: PipeSplice) -> io::Result<Self> {
        let (prelude, splice) = (Arc::new(ProxyPrelude::new(prelude)), Arc::new(splice));
        let counts = Counts { server: Arc::clone(observable.server()), prelude, splice };
        let descs = [&HEADERS, &SPLICED, &COPIED].map(Family::desc);
        let collector = CountsCollector { counts: counts.clone(), descs };
        observable.exposition().add(Box::new(collector)).map_err(io::Error::other)?;
        Ok(Self { observable: Arc::new(observable), counts })
    }
}

impl Counts {
    /// The bytes of the clients' sockets that went through a pipe, and the others.
    fn spliced_and_copied(&self) -> (u64, u64) {
        // In this order: what is spliced in between must not be missing from the whole.
        let (spliced, bytes) = (self.splice.spliced(), self.server.client_bytes());
        (spliced, (bytes.received + bytes.sent).saturating_sub(spliced))
    }
}

impl program::Server for HttpServer {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        self.observable.run_with(&self.counts.prelude, &*self.counts.splice, listeners, shutdown)
    }

    fn statistics(&self) -> String {
        let mut table = self.observable.statistics();
        let (spliced, copied) = self.counts.spliced_and_copied();
        write!(table, "\nbytes spliced {spliced}\nbytes copied {copied}").expect("writing to a String cannot fail");
        for (end, connections) in self.counts.prelude.counts().filter(|(_, connections)| *connections > 0) {
            write!(table, "\nPROXY headers {end} {connections}").expect("writing to a String cannot fail");
        }
        table
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        self.observable.admin_handlers()
    }
}

struct CountsCollector {
    counts: Counts,
    descs: [Desc; 3],
}

impl Collector for CountsCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (spliced, copied) = self.counts.spliced_and_copied();
        let headers = self.counts.prelude.counts();
        let headers = headers.map(|(end, connections)| HEADERS.sample(&[end], count(connections)));
        vec![HEADERS.with(headers.collect()), SPLICED.with_one(count(spliced)), COPIED.with_one(count(copied))]
    }
}
