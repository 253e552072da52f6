//! One accepted connection: hyper's HTTP/1.1, with the fault applied before the routes.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::debug;

use crate::body::{InFlightBody, drain};
use crate::error_response::ErrorResponse;
use crate::fault::Fault;
use crate::fault_injecting_stream::{ConnectionFlags, FaultInjectingStream};
use crate::routes;
use crate::state::{InFlight, State};

const X_SERVER_ID: HeaderName = HeaderName::from_static("x-server-id");
/// A balancer forwards up to 100 headers and adds its own; hyper's default limit of 100 would then answer 431.
const MAX_FIELDS: usize = 256;
/// How long `close` waits for the rest of a request body, which would turn its FIN into a RST.
const CLOSE_DRAIN: Duration = Duration::from_secs(1);

/// Serves one connection until it ends or the backend goes down.
///
/// The state that it needs to notice a `down` is taken here, before its task first runs.
pub(crate) fn serve(stream: TcpStream, state: Arc<State>, router: Router) -> impl Future<Output = ()> + Send + 'static {
    let down_count = state.down_count.subscribe();
    run(stream, state, router, down_count)
}

async fn run(stream: TcpStream, state: Arc<State>, router: Router, mut down_count: watch::Receiver<u64>) {
    let flags = Arc::new(ConnectionFlags::default());
    let stream = FaultInjectingStream::new(stream, Arc::clone(&flags), Arc::clone(&state));
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request| {
        let (state, flags, router) = (Arc::clone(&state), Arc::clone(&flags), router.clone());
        async move { handle(request, &state, &flags, router).await }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .title_case_headers(true)
            .header_read_timeout(None)
            .max_headers(MAX_FIELDS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                debug!(backend = state.id, %error, "connection ended");
            }
        }
        _ = down_count.changed() => {
            // The client that posts `down` gets its response on the connection of that request.
            if flags.is_fault_request.load(Ordering::Relaxed) {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

type Routes = TowerToHyperService<Router>;

/// Answers one request. An error closes the connection without a byte.
async fn handle(
    request: Request<Incoming>,
    state: &Arc<State>,
    flags: &ConnectionFlags,
    router: Routes,
) -> io::Result<Response> {
    let in_flight = InFlight::start(state);
    let path = request.uri().path();
    let number = state.counters.request_received(path);
    let is_fault_request = path.starts_with("/_fault/");
    flags.is_fault_request.store(is_fault_request, Ordering::Relaxed);
    let mut request = request.map(Body::new);
    let fault_response = if is_fault_request { None } else { apply_fault(&mut request, state, flags).await? };
    let response = match fault_response {
        Some(fault_response) => fault_response,
        None => route(request, number, router).await,
    };
    let mut response = response.map(|body| Body::new(InFlightBody::new(body, in_flight)));
    response.headers_mut().insert(X_SERVER_ID, state.id_field.clone());
    Ok(response)
}

/// The response of a backend without a fault.
async fn route(mut request: Request<Body>, number: u64, router: Routes) -> Response {
    if request.method() == Method::CONNECT {
        // A 2xx would make the connection a tunnel without a destination.
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    if routes::discards_body(request.uri()) {
        if drain(request.body_mut()).await.is_err() {
            return ErrorResponse::incomplete_body().into_response();
        }
        *request.body_mut() = Body::empty();
    }
    request.extensions_mut().insert(routes::RequestNumber(number));
    router.call(request).await.unwrap_or_else(|never| match never {})
}

/// Applies the current fault to a request. `None`: the request goes on to its route; an error: it gets no response.
async fn apply_fault(
    request: &mut Request<Body>,
    state: &State,
    flags: &ConnectionFlags,
) -> io::Result<Option<Response>> {
    let mut changes = state.fault.subscribe();
    let fault = *changes.borrow_and_update();
    let unanswered = || io::Error::other(format!("not answered: the fault is `{fault}`"));
    match fault {
        // The backend is going down, which closes this connection.
        Fault::None | Fault::Down => Ok(None),
        Fault::Slow(by) => {
            tokio::time::sleep(by).await;
            Ok(None)
        }
        Fault::Hang => {
            let _ = changes.changed().await;
            Err(unanswered())
        }
        Fault::Reset => {
            flags.close_with_rst.store(true, Ordering::Relaxed);
            Err(unanswered())
        }
        Fault::Close => {
            let _ = tokio::time::timeout(CLOSE_DRAIN, drain(request.body_mut())).await;
            Err(unanswered())
        }
        Fault::Error => {
            let _ = drain(request.body_mut()).await;
            let error = ErrorResponse(StatusCode::INTERNAL_SERVER_ERROR, unanswered().to_string());
            Ok(Some(error.into_response()))
        }
    }
}
