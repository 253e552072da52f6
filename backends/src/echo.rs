//! The two HTTP echoes: `/echo` returns the body as it arrives, `/ws` each WebSocket message.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State as Shared};
use axum::http::header::{CONTENT_TYPE, EXPECT};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;

use crate::body::next_data;
use crate::state::State;

/// Responds at once and streams: a client may send the second half after it has read the first.
///
/// A body with a length is returned with that length, a chunked one chunked.
pub(crate) async fn http(request: Request) -> Response {
    let (head, mut body) = request.into_parts();
    let body = if head.headers.contains_key(EXPECT) {
        // hyper sends its 100 when the body is first read, and no longer after a response has begun.
        match next_data(&mut body).await {
            Some(first) => Body::new(PeekedBody { first: Some(first), rest: body }),
            None => Body::empty(),
        }
    } else {
        body
    };
    let mut response = Response::new(body);
    if let Some(content_type) = head.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    }
    response
}

/// A body whose first data was read ahead.
struct PeekedBody {
    first: Option<Result<Bytes, axum::Error>>,
    rest: Body,
}

impl HttpBody for PeekedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first.map(Frame::data))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.iter().flatten().map(|data| data.len() as u64).sum::<u64>();
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest.saturating_add(first)),
            None => SizeHint::default(),
        }
    }
}

pub(crate) async fn websocket(Shared(state): Shared<Arc<State>>, upgrade: WebSocketUpgrade) -> Response {
    let down_count = state.down_count.subscribe();
    upgrade.on_upgrade(move |socket| echo_messages(socket, down_count)).into_response()
}

/// Runs until the client closes or the backend goes down: after the upgrade the connection no longer owns the socket.
async fn echo_messages(mut socket: WebSocket, mut down_count: watch::Receiver<u64>) {
    let echo = async {
        while let Some(Ok(message)) = socket.recv().await {
            // axum answers pings and closes itself.
            let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
            if is_data && socket.send(message).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = down_count.changed() => {}
        () = echo => {}
    }
}
