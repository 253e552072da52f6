//! The metrics of TCP sessions.

use std::sync::Arc;

use advanced_features::{Balancer, admin::AdminOperations as _, balance::backend::Backend};
use common::clock::now;
use lb_metrics::access_log::writer::LogWriter;
use lb_metrics::exposition::{
    Exposition,
    backend_collector::{BACKEND, EJECTIONS, UP, WEIGHT, is_up},
    balancer_collector::{ACCEPTED, ACTIVE, BUILD, LOG_DROPPED},
    family::{Family, boolean, count},
    process_collector::ProcessCollector,
};
use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};

use crate::{server::TcpServer, session::end::SessionEnd};

const SESSIONS: Family =
    Family::counter("lb_sessions_total", &["end", "group"], "Sessions that have ended, by group and how they ended.");
pub(crate) const SPLICED: Family = Family::counter("lb_bytes_spliced_total", &[], "Bytes sent through a pipe.");
pub(crate) const COPIED: Family = Family::counter("lb_bytes_copied_total", &[], "Bytes sent from user space.");
const IN_FLIGHT: Family = Family::gauge("lb_backend_in_flight", BACKEND, "Sessions of the backend now.");
const BACKEND_SESSIONS: Family =
    Family::counter("lb_backend_sessions_total", BACKEND, "Sessions that were connected to the backend.");
const BACKEND_FAILURES: Family =
    Family::counter("lb_backend_failures_total", BACKEND, "Failed connects and sessions that the backend reset.");
const ALL: [&Family; 13] = [
    &SESSIONS,
    &SPLICED,
    &COPIED,
    &ACTIVE,
    &ACCEPTED,
    &LOG_DROPPED,
    &IN_FLIGHT,
    &BACKEND_SESSIONS,
    &BACKEND_FAILURES,
    &UP,
    &WEIGHT,
    &EJECTIONS,
    &BUILD,
];

/// All metrics of this server, and of the writer of its log.
///
/// # Errors
/// Two metrics have one name.
pub(crate) fn exposition(server: &Arc<TcpServer>, writer: Option<Arc<LogWriter>>) -> prometheus::Result<Exposition> {
    let descs = ALL.into_iter().map(Family::desc).collect();
    let sessions = SessionCollector { server: Arc::clone(server), writer, descs };
    Exposition::of(vec![Box::new(sessions), Box::<ProcessCollector>::default()])
}

struct SessionCollector {
    server: Arc<TcpServer>,
    writer: Option<Arc<LogWriter>>,
    descs: Vec<Desc>,
}

impl SessionCollector {
    fn sessions(&self) -> MetricFamily {
        let groups = self.server.workers().balancer().groups().iter().enumerate();
        let groups = groups.map(|(index, group)| (Some(index), group.name())).chain([(None, "")]);
        let samples = groups.flat_map(|(group, name)| {
            SessionEnd::ALL.map(|end| SESSIONS.sample(&[end.as_str(), name], count(self.server.sessions(group, end))))
        });
        SESSIONS.with(samples.collect())
    }
}

/// A sample of each backend of each group.
pub(crate) fn of_backends(balancer: &Balancer, family: &Family, value: impl Fn(&Backend) -> f64) -> MetricFamily {
    let sample =
        |group: &str, backend: &Backend| -> Metric { family.sample(&[&backend.name(), group], value(backend)) };
    let groups = balancer.groups().iter();
    family.with(
        groups.flat_map(|group| group.members().into_iter().map(|backend| sample(group.name(), &backend))).collect(),
    )
}

impl Collector for SessionCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (spliced, copied) = self.server.moved_bytes();
        let balancer = self.server.workers().balancer();
        let (stats, now) = (balancer.stats(), now());
        let mut families = vec![
            self.sessions(),
            SPLICED.with_one(count(spliced)),
            COPIED.with_one(count(copied)),
            ACTIVE.with_one(count(stats.connections_active())),
            ACCEPTED.with_one(count(stats.connections_accepted())),
            LOG_DROPPED.with_one(count(self.writer.as_ref().map_or(0, |writer| writer.dropped()))),
            BUILD.with(vec![BUILD.sample(&[env!("CARGO_PKG_VERSION")], 1.0)]),
        ];
        if !balancer.router().backends().is_empty() {
            families.extend([
                of_backends(balancer, &IN_FLIGHT, |backend| backend.concurrency.in_flight().into()),
                of_backends(balancer, &BACKEND_SESSIONS, |backend| count(backend.totals.total_requests())),
                of_backends(balancer, &BACKEND_FAILURES, |backend| count(backend.totals.failures())),
                of_backends(balancer, &UP, |backend| boolean(is_up(backend.state(now)))),
                of_backends(balancer, &WEIGHT, |backend| backend.weight().into()),
                of_backends(balancer, &EJECTIONS, |backend| count(backend.ejections())),
            ]);
        }
        families
    }
}
