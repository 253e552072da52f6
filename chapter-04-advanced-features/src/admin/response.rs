//! What the server sends: a response of the API as one of axum.

use std::{convert::Infallible, future::Future, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{ready, select},
    stream,
};
use tokio::time::sleep;

use super::{event_stream::EventStream, listener::MAX_LIFETIME, request::AdminResponse};

/// How long a stream of events lasts: it ends before its connection does, so that the client sees an end and no error.
const MAX_STREAM_TIME: Duration = Duration::from_secs(MAX_LIFETIME.as_secs() - 10);

/// The response. Its stream of events, if it has one, ends when `stop` is ready.
pub(super) fn into_axum_response(response: AdminResponse, stop: impl Future<Output = ()> + Send + 'static) -> Response {
    let mut http_response = Response::new(match response.events {
        Some(events) => event_body(response.body, events, stop),
        None => Body::from(response.body),
    });
    *http_response.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = http_response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(response.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(allow) = response.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    for (name, value) in response.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    http_response
}

/// The text, then the messages as they come. What a client does not read stays in its connection's buffers, which the
/// connection's deadline empties.
fn event_body(first: String, events: EventStream, stop: impl Future<Output = ()> + Send + 'static) -> Body {
    let first = stream::once(ready(first.into()));
    let messages = stream::unfold(events, |mut events| async { Some((events.next().await?, events)) });
    let end = select(Box::pin(stop), Box::pin(sleep(MAX_STREAM_TIME))).map(|_| ());
    Body::from_stream(first.chain(messages).take_until(end).map(Ok::<_, Infallible>))
}
