//! Names, asked again and again in the background.
//!
//! A name that is resolved once, at the start, is wrong from the first time its backend moves. A name that
//! is resolved for each request makes every request wait for the resolver. So a thread of its own asks:
//! every interval, and at once when a connect has failed. A failed or empty answer changes nothing.

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

/// A backend that was configured by a name, which may come to stand for other addresses.
pub trait DnsTarget: Send + Sync + 'static {
    /// The name and the port, as configured.
    fn endpoint(&self) -> &Endpoint;
    /// What the name stood for last.
    fn address_set(&self) -> &AddressSet;
}

/// Turns a name into addresses. May block; only the resolver's own thread waits for it.
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

/// Asks the resolver's thread to look now. Dropping the last one ends the thread.
#[derive(Debug, Clone)]
pub struct DnsRefresher {
    refresh_tx: SyncSender<()>,
}

impl DnsRefresher {
    /// Starts the thread. `backends` says, each time that it looks, which there are now.
    pub fn start<B: DnsTarget>(
        backends: impl Fn() -> Vec<Arc<B>> + Send + 'static,
        interval: Duration,
        resolver: impl Resolve,
    ) -> io::Result<Self> {
        // Room for one: to be asked twice before it has looked is to be asked once.
        let (refresh_tx, asks) = sync_channel(1);
        thread::Builder::new()
            .name("dns-refresher".into())
            .spawn(move || refresh_loop(backends, interval, &resolver, &asks))?;
        Ok(Self { refresh_tx })
    }

    /// Looks again now, without waiting for it: a connect has failed.
    pub fn refresh_now(&self) {
        // Full: it will look anyway.
        let _ = self.refresh_tx.try_send(());
    }
}

// ANCHOR: watch
fn refresh_loop<B: DnsTarget>(
    backends: impl Fn() -> Vec<Arc<B>>,
    interval: Duration,
    resolver: &impl Resolve,
    asks: &Receiver<()>,
) {
    while !matches!(asks.recv_timeout(interval), Err(RecvTimeoutError::Disconnected)) {
        for backend in backends() {
            let endpoint = backend.endpoint();
            if endpoint.host.parse::<std::net::IpAddr>().is_ok() {
                continue; // an address needs no resolver
            }
            match resolver.resolve(&endpoint.host, endpoint.port) {
                Ok(found) if backend.address_set().replace(found.clone()) => {
                    tracing::info!("{endpoint} now resolves to {found:?}");
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

    /// Gives one answer after another, and says when it was asked.
    struct ScriptedResolver {
        answers: std::sync::Mutex<Vec<io::Result<Vec<SocketAddr>>>>,
        asked: Sender<()>,
    }

    impl Resolve for ScriptedResolver {
        fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            assert_eq!((host, port), ("backend.test", 80));
            self.asked.send(()).unwrap();
            self.answers.lock().unwrap().pop().unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
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
        let (request, asks) = channel();
        let answers = vec![Ok(Vec::new()), Err(io::ErrorKind::TimedOut.into()), Ok(vec![new])];
        let scripted = ScriptedResolver { answers: answers.into(), asked: request };
        let names = DnsRefresher::start(targets(&backend), Duration::from_hours(1), scripted).unwrap();
        for _ in 0..4 {
            names.refresh_now();
            asks.recv_timeout(Duration::from_secs(10)).expect("it looks at once");
        }
        // The fourth look has begun, so the first three are over.
        assert_eq!(backend.rotated_addresses().collect::<Vec<_>>(), [new]);
    }

    #[test]
    fn refreshes_every_interval() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let epoch = std::time::Instant::now();
        let id = BackendId { slot: 0, generation: 0 };
        let backend = Arc::new(Backend::new(id, "backend.test:80".parse().unwrap(), Vec::new(), epoch));
        let (request, asks) = channel();
        let scripted = ScriptedResolver { answers: Vec::new().into(), asked: request };
        let names = DnsRefresher::start(targets(&backend), Duration::from_millis(5), scripted).unwrap();
        for _ in 0..3 {
            asks.recv_timeout(Duration::from_secs(10)).expect("nobody has to ask");
        }
        drop(names);
        // The thread ends with its last owner, and its end of the channel with it.
        while asks.recv_timeout(Duration::from_secs(10)).is_ok() {}
    }
}
