//! The health of the backends, by chapter 4's checker.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use advanced_features::health::active::{
    checker::HealthChecker, config::CheckConfig, health_status::HealthTransition, target::HealthTarget,
};
use common::net::Addresses;

const MAX_CHECKS_IN_FLIGHT: usize = 64;

/// A backend as the checker sees it.
#[derive(Debug)]
struct Checked {
    address: SocketAddr,
    check: Arc<CheckConfig>,
    is_healthy: AtomicBool,
}

impl HealthTarget for Checked {
    fn check_config(&self) -> Option<Arc<CheckConfig>> {
        Some(Arc::clone(&self.check))
    }

    fn addresses(&self) -> Addresses {
        [self.address].into_iter().collect()
    }

    fn host_header(&self) -> String {
        self.address.to_string()
    }

    fn on_check_result(&self, outcome: Result<(), String>, transition: Option<HealthTransition>, _: Instant) {
        let Some(transition) = transition else { return };
        self.is_healthy.store(transition == HealthTransition::Up, Relaxed);
        match outcome {
            Ok(()) => tracing::info!("{} is up", self.address),
            Err(reason) => tracing::warn!("{} is down: {reason}", self.address),
        }
    }
}

/// The backends' health, checked until this is dropped.
#[derive(Debug)]
pub(crate) struct BackendHealth {
    backends: Vec<Arc<Checked>>,
    _checker: HealthChecker<Checked>,
}

impl BackendHealth {
    /// Starts to check the backends. They are healthy until a check fails.
    ///
    /// # Errors
    /// No file descriptor or thread is available.
    pub(crate) fn start(addresses: &[SocketAddr], check: CheckConfig) -> io::Result<Self> {
        let check = Arc::new(check);
        let checked =
            |&address| Arc::new(Checked { address, check: Arc::clone(&check), is_healthy: AtomicBool::new(true) });
        let backends: Vec<_> = addresses.iter().map(checked).collect();
        let targets = backends.clone();
        let checker = HealthChecker::start(MAX_CHECKS_IN_FLIGHT, move || targets.clone())?;
        Ok(Self { backends, _checker: checker })
    }

    /// Whether each backend is healthy now, in the order of the addresses.
    pub(crate) fn snapshot(&self) -> Vec<bool> {
        self.backends.iter().map(|backend| backend.is_healthy.load(Relaxed)).collect()
    }
}
