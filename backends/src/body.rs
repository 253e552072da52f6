//! The bodies that the routes send, none of is buffered as a whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior};

use crate::state::InFlight;

/// A prime, so that a lost, repeated or moved block of any usual size shows.
const PATTERN_PERIOD: u16 = 251;

/// Whole periods, a little under 64 KiB: every frame is a slice of it, and none is copied.
static PATTERN_BYTES: LazyLock<Bytes> =
    LazyLock::new(|| (0..u64::from(PATTERN_PERIOD) * 260).map(pattern_byte).collect());

/// Byte `index` of what `/bytes/{n}` and `/chunked/{n}` send: `index % 251`.
pub fn pattern_byte(index: u64) -> u8 {
    // Always less than 251.
    u8::try_from(index % u64::from(PATTERN_PERIOD)).unwrap_or_default()
}

/// The first `len` bytes of the pattern: what a client of `/bytes/{len}` must have received.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(pattern_byte).collect()
}

/// The first bytes of the pattern, one frame at a time.
#[derive(Debug)]
pub(crate) struct PatternBody {
    sent: u64,
    remaining: u64,
    /// Whether the length is announced as Content-Length; otherwise the body is chunked.
    has_content_length: bool,
}

impl PatternBody {
    pub(crate) fn new(len: u64, has_content_length: bool) -> Self {
        Self { sent: 0, remaining: len, has_content_length }
    }
}

impl HttpBody for PatternBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let from = usize::from(pattern_byte(self.sent));
        let room = PATTERN_BYTES.len() - from;
        let len = usize::try_from(self.remaining).map_or(room, |remaining| remaining.min(room));
        self.sent += len as u64;
        self.remaining -= len as u64;
        Poll::Ready(Some(Ok(Frame::data(PATTERN_BYTES.slice(from..from + len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_content_length && self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.has_content_length { SizeHint::with_exact(self.remaining) } else { SizeHint::default() }
    }
}

/// Server-sent events, one per tick.
#[derive(Debug)]
pub(crate) struct SseBody {
    ticks: Interval,
    server_id: String,
    next: u64,
    /// `None`: until the client disconnects.
    last: Option<u64>,
}

impl SseBody {
    pub(crate) fn new(server_id: String, mut ticks: Interval, count: Option<u64>) -> Self {
        // After a slow read the next event comes one period later, instead of a burst of missed ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, server_id, next: 1, last: count }
    }
}

impl HttpBody for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.last.is_some_and(|last| self.next > last) {
            return Poll::Ready(None);
        }
        ready!(self.ticks.poll_tick(cx));
        let data = serde_json::json!({ "event": self.next, "server_id": self.server_id });
        let event = format!("id: {}\ndata: {data}\n\n", self.next);
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}

/// A body that keeps its request counted as in flight until it ends or is dropped.
#[derive(Debug)]
pub(crate) struct InFlightBody {
    body: Body,
    _in_flight: InFlight,
}

impl InFlightBody {
    pub(crate) fn new(body: Body, in_flight: InFlight) -> Self {
        Self { body, _in_flight: in_flight }
    }
}

impl HttpBody for InFlightBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The next data of `body`, `None` at its end; trailers are skipped.
pub(crate) async fn next_data(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            Ok(Err(_trailers)) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Reads `body` to its end; returns the number of its bytes.
pub(crate) async fn drain(body: &mut Body) -> Result<u64, axum::Error> {
    let mut bytes = 0;
    while let Some(data) = next_data(body).await {
        bytes += data?.len() as u64;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_goes_on_across_frames() {
        let mut body = PatternBody::new(200_000, true);
        let mut received = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
            received.extend_from_slice(&frame.into_data().unwrap());
        }
        assert!(received == pattern(200_000), "the pattern is broken");
        assert!(body.is_end_stream());
    }
}
