//! HTTP for the admin interface: axum on a thread of its own.
//!
//! Its own thread with its own runtime, so that nothing here can hold up traffic, in no chapter's engine. HTTP is
//! axum's: this is not the traffic that the workspace teaches. The handler may block, so it runs on one of the
//! runtime's blocking threads. What is bounded: the length of a body, how long one may take to come, how many
//! requests are worked on at once, how long the end may take.

use std::{
    future::IntoFuture as _,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response,
};
use common::shutdown::{Shutdown, ShutdownStage};
use tokio::{runtime, task, time};

use super::{
    origin_check,
    request::{AdminRequest, AdminResponse},
};

/// The longest body: that of a change has a line.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// What is read of a longer one before it is refused.
const MAX_READ_BYTES: usize = 1024 * 1024;
/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests worked on at once: more than one, so that a slow resolver holds up only who asked for a new name.
const MAX_CONCURRENT_REQUESTS: usize = 4;
/// How long requests may go on when all is to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// The running interface. Dropped: closed, with its thread joined.
#[derive(Debug)]
pub struct AdminServer {
    address: SocketAddr,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl AdminServer {
    /// Listens on `address`, which must be of loopback, and has `handler` answer what the [`guard`] lets in.
    ///
    /// The handler runs on threads of its own and may block. `now`-taking handlers read the clock in it:
    /// `move |request| handle(&*balancer, request, now())`.
    ///
    /// # Errors
    /// Not of loopback; in use; no descriptors or threads left.
    pub fn start(
        address: SocketAddr,
        handler: impl Fn(&AdminRequest) -> AdminResponse + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("admin {address}: {error}"));
        if !address.ip().is_loopback() {
            return Err(failed(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the address must be loopback: the admin interface has no authentication",
            )));
        }
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_CONCURRENT_REQUESTS)
            .build()?;
        let shutdown = Shutdown::new()?;
        let (stopped, handler) = (shutdown.clone(), Arc::new(handler));
        let run = move || {
            runtime.block_on(serve(listener, handler, stopped));
            // A resolver that still has not answered is not waited for.
            runtime.shutdown_background();
        };
        let thread = Some(thread::Builder::new().name("admin".into()).spawn(run)?);
        Ok(Self { address, shutdown, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.shutdown.drain();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

trait Handler: Fn(&AdminRequest) -> AdminResponse + Send + Sync + 'static {}

impl<F: Fn(&AdminRequest) -> AdminResponse + Send + Sync + 'static> Handler for F {}

async fn serve(listener: TcpListener, handler: Arc<impl Handler>, shutdown: Shutdown) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("the admin interface failed to start: {error}"),
    };
    let router = Router::new().fallback(move |request| serve_request(Arc::clone(&handler), request));
    let server = axum::serve(listener, router).with_graceful_shutdown(shutdown.reached(ShutdownStage::Draining));
    let grace_expired = async {
        shutdown.reached(ShutdownStage::Draining).await;
        time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        _ = server.into_future() => {}
        () = grace_expired => {}
    }
}

async fn serve_request(handler: Arc<impl Handler>, request: axum::extract::Request) -> response::Response {
    let (parts, body) = request.into_parts();
    let mut request = request_without_body(&parts);
    // Read even if the request is refused: who closes on a client that still writes may lose its answer to a reset.
    let body = read_body(body).await;
    if let Err(refused) = origin_check::check_origin(&request) {
        return into_axum_response(refused);
    }
    match body {
        Ok(body) => request.body = body,
        Err(refused) => return into_axum_response(refused),
    }
    let response = task::spawn_blocking(move || handler(&request)).await;
    into_axum_response(response.unwrap_or_else(|_| AdminResponse::error(500, "internal error; see the log")))
}

/// The request without its body.
fn request_without_body(parts: &Parts) -> AdminRequest {
    let field = |name: header::HeaderName| single_header(&parts.headers, &name);
    let authority = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    AdminRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        host: authority.or_else(|| field(header::HOST)),
        origin: field(header::ORIGIN),
        sec_fetch_site: field(header::HeaderName::from_static("sec-fetch-site")),
        body: Vec::new(),
    }
}

/// A field's value. Of several none can be trusted, nor one that is no text: then it is something that nobody is.
fn single_header(fields: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let mut values = fields.get_all(name).iter();
    let first = values.next()?;
    let is_only = values.next().is_none();
    Some(first.to_str().ok().filter(|_| is_only).unwrap_or("?").to_owned())
}

async fn read_body(body: Body) -> Result<Vec<u8>, AdminResponse> {
    let too_long = || AdminResponse::error(413, format!("the body exceeds {MAX_BODY_BYTES} bytes"));
    match time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_READ_BYTES)).await {
        Ok(Ok(body)) if body.len() <= MAX_BODY_BYTES => Ok(body.into()),
        // Longer than all that is read, or broken off: then nobody reads the answer.
        Ok(Ok(_) | Err(_)) => Err(too_long()),
        Err(_) => {
            Err(AdminResponse::error(408, format!("timed out reading the body after {} s", BODY_TIMEOUT.as_secs())))
        }
    }
}

fn into_axum_response(response: AdminResponse) -> response::Response {
    let mut written = response::Response::new(Body::from(response.body));
    *written.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = written.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(allow) = response.allow {
        fields.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    written
}
