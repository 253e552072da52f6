//! Resolves backend names again and again in the background.
//!
//! A name resolved only at startup becomes wrong as soon as its backend moves. A name resolved for each request makes
//! every request wait for the resolver. So a background thread resolves the names: at every interval, and soon after a
//! failed connect ([`RefreshSchedule`]). A failed or empty result changes nothing.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use common::{clock::now, endpoint::Endpoint, random::random_u64};

use crate::{address_set::AddressSet, refresh_schedule::RefreshSchedule};

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

/// A function is a resolver, too: tests inject what a name resolves to.
impl<F: Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + 'static> Resolve for F {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self(host, port)
    }
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
        // Capacity 1: the thread has to wake only once, however many backends failed.
        let (refresh_tx, refresh_rx) = sync_channel(1);
        let schedule = RefreshSchedule::new(interval);
        thread::Builder::new()
            .name("dns-refresher".into())
            .spawn(move || refresh_loop(backends, interval, schedule, &resolver, &refresh_rx))?;
        Ok(Self { refresh_tx })
    }

    /// Looks the backend's name up soon, and returns without waiting for it. Call it when a connect has failed.
    pub fn refresh_soon(&self, backend: &impl DnsTarget) {
        // The first failed connect since the last lookup wakes the thread; the others cost one atomic operation.
        if backend.address_set().request_refresh() {
            // If the channel is full, the thread is about to wake.
            let _ = self.refresh_tx.try_send(());
        }
    }
}

// ANCHOR: watch
fn refresh_loop<B: DnsTarget>(
    backends: impl Fn() -> Vec<Arc<B>>,
    interval: Duration,
    mut schedule: RefreshSchedule,
    resolver: &impl Resolve,
    refresh_rx: &Receiver<()>,
) {
    loop {
        let (backends, mut wake_at) = (backends(), now() + interval);
        let names = by_name(&backends);
        schedule.retain(|host| names.contains_key(host));
        for (host, backends) in names {
            let connect_failed = || backends.iter().any(|backend| backend.address_set().is_refresh_requested());
            if schedule.next_lookup(host, connect_failed(), now()) <= now() {
                look_up(host, &backends, resolver);
                schedule.record_lookup(host, now(), random_u64());
            }
            wake_at = wake_at.min(schedule.next_lookup(host, connect_failed(), now()));
        }
        let timeout = wake_at.saturating_duration_since(now());
        if let Err(RecvTimeoutError::Disconnected) = refresh_rx.recv_timeout(timeout) {
            return;
        }
    }
}
// ANCHOR_END: watch

/// The backends of each host name. An IP address needs no resolver.
fn by_name<B: DnsTarget>(backends: &[Arc<B>]) -> BTreeMap<&str, Vec<&B>> {
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for backend in backends.iter().filter(|backend| backend.endpoint().host.parse::<IpAddr>().is_err()) {
        names.entry(&*backend.endpoint().host).or_default().push(&**backend);
    }
    names
}

/// Looks a name up once, for all backends that have it.
fn look_up<B: DnsTarget>(host: &str, backends: &[&B], resolver: &impl Resolve) {
    for backend in backends {
        backend.address_set().clear_refresh_request();
    }
    let Some(first_port) = backends.first().map(|backend| backend.endpoint().port) else { return };
    let first_addresses = match resolver.resolve(host, first_port) {
        Ok(addresses) => addresses,
        Err(error) => return tracing::warn!("cannot resolve {host}: {error}; keeping its last addresses"),
    };
    for backend in backends {
        let (endpoint, mut addresses) = (backend.endpoint(), first_addresses.clone());
        if endpoint.port != first_port {
            for address in &mut addresses {
                address.set_port(endpoint.port);
            }
        }
        if backend.address_set().replace(&addresses) {
            tracing::info!("{endpoint} now resolves to {addresses:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Mutex,
            mpsc::{Sender, channel},
        },
        time::Instant,
    };

    use common::http::BackendId;

    use super::*;
    use crate::{backend::Backend, refresh_schedule::MIN_LOOKUP_INTERVAL};

    const LONG: Duration = Duration::from_secs(10);

    /// Returns one scripted result after another, and sends the arguments of each call, and when it began and ended.
    struct ScriptedResolver {
        results: Mutex<Vec<io::Result<Vec<SocketAddr>>>>,
        calls: Sender<(String, u16, [Instant; 2])>,
    }

    impl ScriptedResolver {
        fn new<const N: usize>(
            mut results: [io::Result<Vec<SocketAddr>>; N],
        ) -> (Self, Receiver<(String, u16, [Instant; 2])>) {
            results.reverse();
            let (calls, called) = channel();
            (Self { results: Mutex::new(results.into()), calls }, called)
        }
    }

    impl Resolve for ScriptedResolver {
        fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            let began = now();
            let result = self.results.lock().unwrap().pop();
            let _ = self.calls.send((host.to_owned(), port, [began, now()]));
            result.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
        }
    }

    fn backend(endpoint: &str) -> Arc<Backend> {
        let id = BackendId { slot: 0, generation: 0 };
        Arc::new(Backend::new(id, endpoint.parse().unwrap(), vec!["127.0.0.1:80".parse().unwrap()], now()))
    }

    fn start(backends: &[&Arc<Backend>], interval: Duration, resolver: ScriptedResolver) -> DnsRefresher {
        let backends: Vec<_> = backends.iter().map(|backend| Arc::clone(backend)).collect();
        DnsRefresher::start(move || backends.clone(), interval, resolver).unwrap()
    }

    fn addresses(backend: &Backend) -> Vec<String> {
        backend.address_set().all().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn refreshes_every_interval_and_keeps_addresses_on_failure() {
        let backend = backend("backend.test:80");
        let new: SocketAddr = "127.0.0.2:80".parse().unwrap();
        let results = [Ok(vec![new]), Err(io::ErrorKind::TimedOut.into()), Ok(Vec::new())];
        let (resolver, called) = ScriptedResolver::new(results);
        let refresher = start(&[&backend], Duration::from_millis(5), resolver);
        for _ in 0..4 {
            let (host, port, _) = called.recv_timeout(LONG).expect("a lookup at each interval");
            assert_eq!((&*host, port), ("backend.test", 80));
        }
        // The fourth lookup has begun, so the first three are over.
        assert_eq!(addresses(&backend), ["127.0.0.2:80"]);
        drop(refresher);
        // Dropping the last handle ends the thread, which drops its end of the channel.
        while called.recv_timeout(LONG).is_ok() {}
    }

    #[test]
    fn a_backend_that_is_down_under_load_causes_one_lookup_per_second() {
        let (down, up) = (backend("down.test:80"), backend("up.test:80"));
        let (resolver, called) = ScriptedResolver::new([]);
        let refresher = start(&[&down, &up], Duration::from_hours(1), resolver);
        let mut lookups: Vec<(String, u16, [Instant; 2])> = Vec::new();
        while lookups.len() < 3 {
            refresher.refresh_soon(&*down);
            lookups.extend(called.recv_timeout(Duration::from_millis(1)));
        }
        assert!(lookups.iter().all(|(host, ..)| host == "down.test"), "{lookups:?}");
        for two in lookups.windows(2) {
            let gap = two[1].2[0] - two[0].2[1];
            assert!(gap >= MIN_LOOKUP_INTERVAL, "{gap:?}");
        }
    }

    #[test]
    fn backends_of_one_name_share_its_lookup() {
        let backends = [backend("a.test:80"), backend("a.test:81"), backend("127.0.0.1:80")];
        let new = || Ok(vec!["127.0.0.2:80".parse().unwrap()]);
        let (resolver, called) = ScriptedResolver::new([new(), new()]);
        let _refresher = start(&backends.each_ref(), Duration::from_millis(5), resolver);
        let hosts = [(); 2].map(|()| called.recv_timeout(LONG).expect("a lookup at each interval").0);
        assert_eq!(hosts, ["a.test", "a.test"]);
        // The second lookup has begun, so the first one is over.
        assert_eq!(backends.each_ref().map(|b| addresses(b)), [["127.0.0.2:80"], ["127.0.0.2:81"], ["127.0.0.1:80"]]);
    }
}
