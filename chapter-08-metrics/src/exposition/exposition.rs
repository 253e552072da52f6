//! The registry of all collectors, and the text that a scraper gets.

use std::sync::Arc;

use prometheus::{Registry, TEXT_FORMAT, TextEncoder, core::Collector};

use super::{
    backend_collector::{self, BackendCollector},
    balancer_collector::BalancerCollector,
    process_collector::ProcessCollector,
    request_collector::RequestCollector,
};
use crate::observers::{self, ObservedServer};

/// All metrics of a balancer.
#[derive(Clone)]
pub struct Exposition(Registry);

impl std::fmt::Debug for Exposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}

impl Exposition {
    /// The media type of [`text`](Self::text).
    pub const CONTENT_TYPE: &str = TEXT_FORMAT;

    /// The metrics of this server.
    ///
    /// # Errors
    /// Two metrics have one name.
    pub fn new(server: &Arc<ObservedServer>) -> prometheus::Result<Self> {
        let (metrics, balancer) = (observers::metrics(server), server.balancer());
        let dropped = {
            let (metrics, balancer) = (metrics.clone(), Arc::clone(balancer));
            move || backend_collector::dropped_series(&balancer, metrics.layout())
        };
        Self::of(vec![
            Box::new(RequestCollector::new(metrics.clone(), dropped)),
            Box::new(BackendCollector::new(Arc::clone(server))),
            Box::new(BalancerCollector::new(Arc::clone(server))),
            Box::<ProcessCollector>::default(),
        ])
    }

    /// These collectors.
    ///
    /// # Errors
    /// Two metrics have one name.
    pub fn of(collectors: Vec<Box<dyn Collector>>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        collectors.into_iter().try_for_each(|collector| registry.register(collector))?;
        Ok(Self(registry))
    }

    /// Adds the metrics of `collector`, also to the copies of this exposition.
    ///
    /// # Errors
    /// Two metrics have one name.
    pub fn add(&self, collector: Box<dyn Collector>) -> prometheus::Result<()> {
        self.0.register(collector)
    }

    /// The metrics now, in text format 0.0.4.
    ///
    /// # Errors
    /// A metric cannot be written: it has no samples.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }
}
