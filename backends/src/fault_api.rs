//! `POST /_fault/{fault}`: injects a fault into a backend, or clears it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::oneshot;

use crate::backend_registry::RegisteredBackend;
use crate::error_response::ErrorResponse;
use crate::fault::{Command, FAULT_NAMES, Fault};
use crate::query::{number, query};
use crate::state::State;

/// How long a backend stays down after `down` by default.
const DEFAULT_DOWN: Duration = Duration::from_secs(10);
/// The delay that `slow` adds to each response by default.
const DEFAULT_SLOW: Duration = Duration::from_secs(2);

/// `POST /_fault/{name}?id=…|port=…&for=5s&ms=2000`
pub(crate) async fn post(
    Shared(state): Shared<Arc<State>>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, ErrorResponse> {
    let slow = number(&uri, "ms")?.map_or(DEFAULT_SLOW, Duration::from_millis);
    let fault = Fault::from_name(&name, slow)
        .ok_or_else(|| ErrorResponse::not_found(format!("unknown fault `{name}`; known: {FAULT_NAMES}")))?;
    let recover_after = match query(&uri, "for") {
        Some(time) => Some(
            parse_time(time)
                .ok_or_else(|| ErrorResponse::bad_request("`for` must be a duration such as 500ms, 5s or 2m"))?,
        ),
        None if fault == Fault::Down => Some(DEFAULT_DOWN),
        None => None,
    };
    let backend = backend(&state, &uri)?;
    command(&backend, fault, recover_after)
        .await
        .map_err(|error| ErrorResponse(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(Json(json!({
        "server_id": backend.id,
        "port": backend.addr.port(),
        "fault": fault.to_string(),
        "for_ms": recover_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
    }))
    .into_response())
}

/// Sends the command and waits until the fault is in effect.
async fn command(backend: &RegisteredBackend, fault: Fault, recover_after: Option<Duration>) -> io::Result<()> {
    let stopped = || io::Error::other("that backend has stopped");
    let (done, applied) = oneshot::channel();
    let done = Box::new(move |outcome| drop(done.send(outcome)));
    backend.commands.send(Command { fault, recover_after, done }).map_err(|_| stopped())?;
    applied.await.map_err(|_| stopped())?
}

/// The backend that the request addresses: a sibling by `id` or `port`, otherwise this one.
fn backend(state: &State, uri: &Uri) -> Result<RegisteredBackend, ErrorResponse> {
    let found = if let Some(id) = query(uri, "id") {
        state.registry.find(|backend| backend.id == id)
    } else if let Some(port) = query(uri, "port") {
        state.registry.find(|backend| backend.addr.port().to_string() == port)
    } else {
        state.registry.find(|backend| backend.addr == state.addr)
    };
    found.ok_or_else(|| {
        let ids = state.registry.ids().join(", ");
        ErrorResponse::not_found(format!("unknown backend; known: {ids}"))
    })
}

/// `500ms`, `5s`, `2m`; a bare number is seconds.
fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("500ms", Some(ms(500))),
            ("5s", Some(ms(5_000))),
            ("7", Some(ms(7_000))),
            ("2m", Some(ms(120_000))),
            ("s", None),
            ("-1s", None),
            ("5h", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
    }
}
