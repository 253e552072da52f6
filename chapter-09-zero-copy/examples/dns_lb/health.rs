//! The health of the backends, by chapter 4's checker.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
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
    changes: Arc<Changes>,
}

/// Wakes the threads that wait for a change of health.
#[derive(Debug, Default)]
struct Changes {
    /// Held while a backend's health changes.
    lock: Mutex<()>,
    changed: Condvar,
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
        let guard = self.changes.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_healthy.store(transition == HealthTransition::Up, Relaxed);
        drop(guard);
        self.changes.changed.notify_all();
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
    changes: Arc<Changes>,
    _checker: HealthChecker<Checked>,
}

impl BackendHealth {
    /// Starts to check the backends. They are healthy until a check fails.
    ///
    /// # Errors
    /// No file descriptor or thread is available.
    pub(crate) fn start(addresses: &[SocketAddr], check: CheckConfig) -> io::Result<Self> {
        let (check, changes) = (Arc::new(check), Arc::new(Changes::default()));
        let target = |&address| {
            let (check, changes) = (Arc::clone(&check), Arc::clone(&changes));
            Arc::new(Checked { address, check, is_healthy: AtomicBool::new(true), changes })
        };
        let backends: Vec<_> = addresses.iter().map(target).collect();
        let targets = backends.clone();
        let checker = HealthChecker::start(MAX_CHECKS_IN_FLIGHT, move || targets.clone())?;
        Ok(Self { backends, changes, _checker: checker })
    }

    /// Whether each backend is healthy now, in the order of the addresses.
    pub(crate) fn snapshot(&self) -> Vec<bool> {
        self.backends.iter().map(|backend| backend.is_healthy.load(Relaxed)).collect()
    }

    /// Waits until backend `index` is down; returns whether it was within `timeout`.
    pub(crate) fn wait_until_down(&self, index: usize, timeout: Duration) -> bool {
        let guard = self.changes.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let is_up = |(): &mut ()| self.snapshot().get(index).copied().unwrap_or(false);
        let waited = self.changes.changed.wait_timeout_while(guard, timeout, is_up);
        let (_guard, result) = waited.unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }
}
