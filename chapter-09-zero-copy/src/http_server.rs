//! The server of `--mode http`: chapter 8's, whose clients may be behind proxies that send PROXY headers.

use std::{fmt::Write as _, io, sync::Arc};

use advanced_features::{admin::AdminHandler, program};
use common::{net::Listeners, shutdown::Shutdown};
use lb_metrics::{
    ObservableServer,
    exposition::family::{Family, count},
};
use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::{http_prelude::ProxyPrelude, session::prelude::PreludeConfig};

const HEADERS: Family = Family::counter(
    "lb_proxy_headers_total",
    &["end"],
    "Connections of proxies in --accept-proxy, by how the wait for their PROXY header has ended.",
);

/// Chapter 8's server, with PROXY headers before the requests of trusted proxies.
#[derive(Debug)]
pub(crate) struct HttpServer {
    observable: Arc<ObservableServer>,
    prelude: Arc<ProxyPrelude>,
}

impl HttpServer {
    /// The server `observable`, with the headers that `config` asks for.
    ///
    /// # Errors
    /// Two metrics have one name.
    pub(crate) fn new(observable: ObservableServer, config: PreludeConfig) -> io::Result<Self> {
        let prelude = Arc::new(ProxyPrelude::new(config));
        let collector = HeaderCollector { prelude: Arc::clone(&prelude), desc: HEADERS.desc() };
        observable.exposition().add(Box::new(collector)).map_err(io::Error::other)?;
        Ok(Self { observable: Arc::new(observable), prelude })
    }
}

impl program::Server for HttpServer {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        self.observable.run_with(&self.prelude, listeners, shutdown)
    }

    fn statistics(&self) -> String {
        let mut table = self.observable.statistics();
        for (end, connections) in self.prelude.counts().filter(|(_, connections)| *connections > 0) {
            write!(table, "\nPROXY headers {end} {connections}").expect("writing to a String cannot fail");
        }
        table
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        self.observable.admin_handlers()
    }
}

struct HeaderCollector {
    prelude: Arc<ProxyPrelude>,
    desc: Desc,
}

impl Collector for HeaderCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let samples = self.prelude.counts().map(|(end, connections)| HEADERS.sample(&[end], count(connections)));
        vec![HEADERS.with(samples.collect())]
    }
}
