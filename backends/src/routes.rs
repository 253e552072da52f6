//! The routes of a backend. The crate's front page lists them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Path, Request, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, Uri, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::body::{PatternBody, SseBody, next_data};
use crate::counters::Counts;
use crate::error_response::ErrorResponse;
use crate::query::{number, query};
use crate::state::State;
use crate::{echo, fault_api};

/// The longest wait of `/delay/{ms}`: a typo must not hold a connection for a day.
const MAX_DELAY_MS: u64 = 60_000;
const DEFAULT_EVERY: Duration = Duration::from_millis(100);

/// The number of a request, for the response of `/`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestNumber(pub(crate) u64);

pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/health", any(health))
        .route("/count", any(count))
        .route("/headers", any(headers))
        .route("/delay/{ms}", any(delay))
        .route("/bytes/{n}", any(bytes))
        .route("/chunked/{n}", any(chunked))
        .route("/stream", any(stream))
        .route("/status/{code}", any(status))
        .route("/upload", any(upload))
        .route("/echo", any(echo::http))
        .route("/ws", any(echo::websocket))
        .route("/_fault/{name}", post(fault_api::post))
        .fallback(hello)
        .with_state(state)
}

/// Whether the body of a request for `uri` is read to its end and dropped before the request is routed. That is the
/// rule, also for rejected requests: only then is the connection reusable.
pub(crate) fn discards_body(uri: &Uri) -> bool {
    match uri.path() {
        "/echo" | "/upload" | "/ws" => false,
        path => !(path.starts_with("/status/") && query(uri, "early").is_some()),
    }
}

#[derive(Serialize)]
struct Hello<'a> {
    server_id: &'a str,
    port: u16,
    request_number: u64,
    timestamp: u64,
    message: String,
}

async fn hello(
    Shared(state): Shared<Arc<State>>,
    Extension(RequestNumber(request_number)): Extension<RequestNumber>,
) -> Response {
    Json(Hello {
        server_id: &state.id,
        port: state.addr.port(),
        request_number,
        timestamp: unix_seconds(),
        message: format!("Hello from {}!", state.id),
    })
    .into_response()
}

#[expect(clippy::disallowed_methods, reason = "the response contains the time of day")]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

async fn health() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

async fn count(Shared(state): Shared<Arc<State>>) -> Json<Counts> {
    Json(state.counters.read())
}

#[derive(Serialize)]
struct ReceivedRequest {
    method: String,
    target: String,
    version: String,
    fields: Vec<(String, String)>,
}

async fn headers(method: Method, uri: Uri, version: Version, fields: HeaderMap) -> Json<ReceivedRequest> {
    let text = |value: &[u8]| match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        // ISO-8859-1, in which HTTP once defined other bytes: nothing is lost.
        Err(_) => value.iter().copied().map(char::from).collect(),
    };
    Json(ReceivedRequest {
        method: method.to_string(),
        target: uri.to_string(),
        version: format!("{version:?}"),
        fields: fields.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
    })
}

async fn delay(Shared(state): Shared<Arc<State>>, Path(ms): Path<u64>) -> Response {
    let delay_ms = ms.min(MAX_DELAY_MS);
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    Json(json!({ "server_id": state.id, "delayed_ms": delay_ms })).into_response()
}

async fn bytes(Path(n): Path<u64>) -> Response {
    octet_stream([(header::CONTENT_LENGTH, n.to_string())], PatternBody::new(n, true))
}

async fn chunked(Path(n): Path<u64>) -> Response {
    octet_stream([], PatternBody::new(n, false))
}

fn octet_stream<const N: usize>(fields: [(header::HeaderName, String); N], body: PatternBody) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], fields, Body::new(body)).into_response()
}

async fn stream(Shared(state): Shared<Arc<State>>, uri: Uri) -> Result<Response, ErrorResponse> {
    let every = number(&uri, "every")?.map_or(DEFAULT_EVERY, Duration::from_millis);
    // An interval of zero would panic.
    let ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    let events = SseBody::new(state.id.clone(), ticks, number(&uri, "count")?);
    let fields = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((fields, Body::new(events)).into_response())
}

async fn status(Shared(state): Shared<Arc<State>>, Path(code): Path<u16>) -> Result<Response, ErrorResponse> {
    let status = StatusCode::from_u16(code).ok().filter(|_| (200..=599).contains(&code));
    // A 1xx is not final: the client would wait for another response.
    let status = status.ok_or_else(|| ErrorResponse::bad_request("a final status is 200-599"))?;
    if matches!(code, 204 | 205 | 304) {
        return Ok(status.into_response());
    }
    Ok((status, Json(json!({ "server_id": state.id, "status": code }))).into_response())
}

async fn upload(request: Request) -> Result<Response, ErrorResponse> {
    let mut body = request.into_body();
    let (mut bytes, mut sha256) = (0, Sha256::new());
    while let Some(data) = next_data(&mut body).await {
        let data = data.map_err(|_| ErrorResponse::incomplete_body())?;
        bytes += data.len() as u64;
        sha256.update(&data);
    }
    let mut hex = String::new();
    for byte in sha256.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(Json(json!({ "bytes": bytes, "sha256": hex })).into_response())
}
