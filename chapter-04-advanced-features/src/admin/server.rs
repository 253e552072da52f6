//! The HTTP server of the admin API: axum on its own thread.
//!
//! It has its own thread and runtime, so that it cannot delay traffic in any chapter's engine. axum does the HTTP: this
//! is not the traffic that the workspace teaches. The handler may block, so it runs on one of the runtime's blocking
//! threads. Bounded are the connections and how long each lives (`listener`), the length of a body,
//! the time to receive it, the concurrent requests, and the time to shut down.

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
    http::{HeaderMap, header, request::Parts},
};
use common::shutdown::{Shutdown, ShutdownStage};
use tokio::{runtime, task, time};

use super::{
    handlers::AdminHandlers,
    listener::BoundedListener,
    origin_check,
    request::{AdminRequest, AdminResponse},
    response::into_axum_response,
};

/// The maximum length of a body; that of a change is one line.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How much of a longer body is read before it is rejected.
const MAX_READ_BYTES: usize = 1024 * 1024;
/// The timeout for receiving a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum concurrent requests: more than one, so that a slow resolver delays only the request that needs it.
const MAX_CONCURRENT_REQUESTS: usize = 4;
/// How long requests in flight may take after shutdown begins.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// The running admin server. Dropping it closes the listener and joins its thread.
#[derive(Debug)]
pub struct AdminServer {
    address: SocketAddr,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

/// Who may send requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Whom [`origin_check`] admits.
    ThisMachine,
    /// Anyone.
    Public,
}

impl AdminServer {
    /// Listens on `address`, which must be loopback, and calls `handlers` for the requests that [`origin_check`]
    /// admits, on threads that may block.
    ///
    /// # Errors
    /// The address is not loopback or is in use, or no file descriptors or threads are left.
    pub fn start(address: SocketAddr, handlers: AdminHandlers) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let reason = "the address must be loopback: the admin interface has no authentication";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("admin {address}: {reason}")));
        }
        Self::start_with("admin", address, handlers, Access::ThisMachine)
    }

    /// Listens on any address, and calls `handlers` for every request, without checking its origin: they must be read-only
    /// and expose nothing secret. `name` is that of the thread, and of the interface in an error.
    ///
    /// # Errors
    /// The address is in use or not of this machine, or no file descriptors or threads are left.
    pub fn start_public(name: &str, address: SocketAddr, handlers: AdminHandlers) -> io::Result<Self> {
        Self::start_with(name, address, handlers, Access::Public)
    }

    fn start_with(name: &str, address: SocketAddr, handlers: AdminHandlers, access: Access) -> io::Result<Self> {
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{name} {address}: {error}"));
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_CONCURRENT_REQUESTS)
            .build()?;
        let shutdown = Shutdown::new()?;
        let (server_shutdown, handlers) = (shutdown.clone(), Arc::new(handlers));
        let run = move || {
            runtime.block_on(serve(listener, handlers, access, server_shutdown));
            // Do not wait for a resolver call that has not returned.
            runtime.shutdown_background();
        };
        let thread = Some(thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(Self { address, shutdown, thread })
    }

    /// The address it listens on.
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

async fn serve(listener: TcpListener, handlers: Arc<AdminHandlers>, access: Access, shutdown: Shutdown) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => BoundedListener::new(listener),
        Err(error) => return tracing::error!("the admin interface failed to start: {error}"),
    };
    let stop = shutdown.clone();
    let respond = move |request| {
        let (response, stop) = (serve_request(Arc::clone(&handlers), access, request), stop.clone());
        async move { into_axum_response(response.await, stop.reached(ShutdownStage::Draining)) }
    };
    let router = Router::new().fallback(respond);
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

async fn serve_request(handlers: Arc<AdminHandlers>, access: Access, request: axum::extract::Request) -> AdminResponse {
    let (parts, body) = request.into_parts();
    let mut request = request_without_body(&parts);
    // Read the body even if the request is rejected: closing on a client that is still sending may reset the connection
    // before it has read the response.
    let body = read_body(body).await;
    if access == Access::ThisMachine
        && let Err(rejection) = origin_check::check_origin(&request)
    {
        return rejection;
    }
    match body {
        Ok(body) => request.body = body,
        Err(rejection) => return rejection,
    }
    let response = task::spawn_blocking(move || handlers.handle(&request)).await;
    response.unwrap_or_else(|_| AdminResponse::error(500, "internal error; see the log"))
}

/// The request without its body.
fn request_without_body(parts: &Parts) -> AdminRequest {
    let header_value = |name: header::HeaderName| single_header(&parts.headers, &name);
    let authority = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    AdminRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        host: authority.or_else(|| header_value(header::HOST)),
        accept: joined_header(&parts.headers, &header::ACCEPT),
        origin: header_value(header::ORIGIN),
        sec_fetch_site: header_value(header::HeaderName::from_static("sec-fetch-site")),
        body: Vec::new(),
    }
}

/// A header's value. If the header is repeated or not text, it cannot be trusted: then `?`, which no check accepts.
fn single_header(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let is_only = values.next().is_none();
    Some(first.to_str().ok().filter(|_| is_only).unwrap_or("?").to_owned())
}

/// A header that may be repeated, as one list. Values that are not text are left out.
fn joined_header(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(", ")
}

async fn read_body(body: Body) -> Result<Vec<u8>, AdminResponse> {
    let too_long = || AdminResponse::error(413, format!("the body exceeds {MAX_BODY_BYTES} bytes"));
    match time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_READ_BYTES)).await {
        Ok(Ok(body)) if body.len() <= MAX_BODY_BYTES => Ok(body.into()),
        // Longer than the read limit, or the client has disconnected, and then the response does not matter.
        Ok(Ok(_) | Err(_)) => Err(too_long()),
        Err(_) => {
            Err(AdminResponse::error(408, format!("timed out reading the body after {} s", BODY_TIMEOUT.as_secs())))
        }
    }
}
