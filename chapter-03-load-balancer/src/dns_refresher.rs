//! Resolves backend names again and again in the background.
//!
//! A name addresses only at startup becomes wrong as soon as its backend moves. A name addresses for each request makes
//! every request wait for the resolver. So a background thread resolves the names: at every interval, and at once
//! after a failed connect. A failed or empty result changes nothing.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use common::endpoint::Endpoint;

use crate::address_set::AddressSet;

/// A backend that is configured by name, whose addresses may change.
pub trait DnsTarget: Send + Sync + 'static {
    /// The name and the port, as configured.
    fn endpoint(&self) -> &Endpoint;
    /// The addresses of the last successful resolution.
    fn address_set(&self) -> &AddressSet;
}

/// Resolves a name to addresses. May block: after startup, only the refresher's thread calls it.
pub trait Resolve: Send + 'static {
    /// All addresses of `host`, with `port`.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver (`getaddrinfo`).
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        common::net::resolve(host, port)
    }
}

/// A handle to the background thread. Dropping the last clone ends the thread.
#[derive(Debug, Clone)]
pub struct DnsRefresher {
    refresh_tx: SyncSender<()>,
}

impl DnsRefresher {
    /// Starts the thread. `backends` is called at each refresh, and returns the current backends.
    pub fn start<B: DnsTarget>(
        backends: impl Fn() -> Vec<Arc<B>> + Send + 'static,
        interval: Duration,
        resolver: impl Resolve,
    ) -> io::Result<Self> {
        // Capacity 1: several requests before the next refresh count as one.
        let (refresh_tx, refresh_rx) = sync_channel(1);
        thread::Builder::new()
            .name("dns-refresher".into())
            .spawn(move || refresh_loop(backends, interval, &resolver, &refresh_rx))?;
        Ok(Self { refresh_tx })
    }

    /// Starts a refresh now and returns without waiting for it. Call it when a connect has failed.
    pub fn refresh_now(&self) {
        // If the channel is full, a refresh is pending already.
        let _ = self.refresh_tx.try_send(());
    }
}

// ANCHOR: watch
fn refresh_loop<B: DnsTarget>(
    backends: impl Fn() -> Vec<Arc<B>>,
    interval: Duration,
    resolver: &impl Resolve,
    refresh_rx: &Receiver<()>,
) {
    while !matches!(refresh_rx.recv_timeout(interval), Err(RecvTimeoutError::Disconnected)) {
        for backend in backends() {
            let endpoint = backend.endpoint();
            if endpoint.host.parse::<std::net::IpAddr>().is_ok() {
                continue; // an IP address needs no resolver
            }
            match resolver.resolve(&endpoint.host, endpoint.port) {
                Ok(addresses) if backend.address_set().replace(addresses.clone()) => {
                    tracing::info!("{endpoint} now resolves to {addresses:?}");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!("cannot resolve {endpoint}: {error}; keeping its last addresses"),
            }
        }
    }
}
// ANCHOR_END: watch

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use common::http::BackendId;

    use super::*;
    use crate::backend::Backend;

    /// Returns one scripted result after another, and reports each call.
    struct ScriptedResolver {
        results: std::sync::Mutex<Vec<io::Result<Vec<SocketAddr>>>>,
        calls: Sender<()>,
    }

    impl Resolve for ScriptedResolver {
        fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            assert_eq!((host, port), ("backend.test", 80));
            self.calls.send(()).unwrap();
            self.results.lock().unwrap().pop().unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
        }
    }

    fn targets(backend: &Arc<Backend>) -> impl Fn() -> Vec<Arc<Backend>> + Send + 'static {
        let backends = vec![Arc::clone(backend)];
        move || backends.clone()
    }

    #[test]
    fn refreshes_on_request_and_keeps_addresses_on_failure() {
        let old: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let new: SocketAddr = "127.0.0.2:80".parse().unwrap();
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let epoch = std::time::Instant::now();
        let id = BackendId { slot: 0, generation: 0 };
        let backend = Arc::new(Backend::new(id, "backend.test:80".parse().unwrap(), vec![old], epoch));
        let (calls, called) = channel();
        let results = vec![Ok(Vec::new()), Err(io::ErrorKind::TimedOut.into()), Ok(vec![new])];
        let scripted = ScriptedResolver { results: results.into(), calls };
        let refresher = DnsRefresher::start(targets(&backend), Duration::from_hours(1), scripted).unwrap();
        for _ in 0..4 {
            refresher.refresh_now();
            called.recv_timeout(Duration::from_secs(10)).expect("a refresh starts at once");
        }
        // The fourth refresh has begun, so the first three are over.
        assert_eq!(backend.address_set().all().collect::<Vec<_>>(), [new]);
    }

    #[test]
    fn refreshes_every_interval() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let epoch = std::time::Instant::now();
        let id = BackendId { slot: 0, generation: 0 };
        let backend = Arc::new(Backend::new(id, "backend.test:80".parse().unwrap(), Vec::new(), epoch));
        let (calls, called) = channel();
        let scripted = ScriptedResolver { results: Vec::new().into(), calls };
        let refresher = DnsRefresher::start(targets(&backend), Duration::from_millis(5), scripted).unwrap();
        for _ in 0..3 {
            called.recv_timeout(Duration::from_secs(10)).expect("a refresh starts at each interval");
        }
        drop(refresher);
        // Dropping the last handle ends the thread, which drops its end of the channel.
        while called.recv_timeout(Duration::from_secs(10)).is_ok() {}
    }
}
