//! What is done with each request: a backend in turn, and the fields that our own proxies add.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use pingora::{
    Error, ErrorType, Result,
    http::RequestHeader,
    lb::{LoadBalancer, selection::RoundRobin},
    proxy::{ProxyHttp, Session},
    upstreams::peer::HttpPeer,
};

/// How many backends may be looked at for one request; the hash is of no use to round robin.
const MAX_LOOKED_AT: usize = 256;

/// The deadlines that our own proxies have.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// In whole seconds: the type that Pingora has for it.
const CLIENT_IDLE_SECONDS: u64 = 60;

pub struct Forwarding {
    backends: LoadBalancer<RoundRobin>,
    /// The process's half of the request ids; the other half counts. As cheap as ours.
    seed: u64,
    requests: AtomicU64,
}

impl Forwarding {
    pub fn new(backends: LoadBalancer<RoundRobin>) -> Self {
        Self { backends, seed: RandomState::new().build_hasher().finish(), requests: AtomicU64::new(0) }
    }

    fn request_id(&self) -> String {
        format!("{:016x}{:016x}", self.seed, self.requests.fetch_add(1, Ordering::Relaxed))
    }
}

#[async_trait]
impl ProxyHttp for Forwarding {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        session.set_keepalive(Some(CLIENT_IDLE_SECONDS));
        session.set_read_timeout(Some(READ_TIMEOUT));
        session.set_write_timeout(Some(WRITE_TIMEOUT));
        Ok(false)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let backend = self
            .backends
            .select(b"", MAX_LOOKED_AT)
            .ok_or_else(|| Error::explain(ErrorType::HTTPStatus(503), "no backend"))?;
        let mut peer = HttpPeer::new(backend, false, String::new());
        peer.options.connection_timeout = Some(CONNECT_TIMEOUT);
        peer.options.read_timeout = Some(READ_TIMEOUT);
        peer.options.write_timeout = Some(WRITE_TIMEOUT);
        peer.options.idle_timeout = Some(UPSTREAM_IDLE_TIMEOUT);
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        if let Some(client) = client_ip(session) {
            let client = client.to_string();
            request.insert_header("X-Real-IP", &client)?;
            request.insert_header("X-Forwarded-For", client)?;
        }
        request.insert_header("X-Forwarded-Proto", "http")?;
        if let Some(host) = request.headers.get("host").cloned() {
            request.insert_header("X-Forwarded-Host", host)?;
        }
        request.append_header("Via", "1.1 pingora")?;
        request.insert_header("X-Request-ID", self.request_id())
    }
}

fn client_ip(session: &Session) -> Option<IpAddr> {
    Some(session.client_addr()?.as_inet()?.ip())
}
