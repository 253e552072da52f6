//! Server-sent events: a message at a time for all streams (the `text/event-stream` of the HTML standard).
//!
//! A stream costs a connection of the server and no thread. It always sends the latest message: a client that reads
//! too slowly misses some, and nothing is queued for it but what its connection holds. There are at most as many
//! streams as the publisher permits, so that connections are left for requests.

use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Publishes messages to all streams.
#[derive(Debug)]
pub struct EventPublisher {
    latest: watch::Sender<Bytes>,
    max_streams: usize,
    permits: Arc<Semaphore>,
}

/// The messages from now on, as one client gets them. It counts as open until it is dropped.
#[derive(Debug)]
pub struct EventStream {
    latest: watch::Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl EventPublisher {
    /// For at most `max_streams` streams at a time.
    pub fn new(max_streams: usize) -> Self {
        Self { latest: watch::Sender::default(), max_streams, permits: Arc::new(Semaphore::new(max_streams)) }
    }

    /// Sends a message, as [`event`] formats it, to every stream. Never blocks.
    pub fn publish(&self, message: String) {
        self.latest.send_replace(message.into());
    }

    /// A further stream; `None` if there are too many.
    pub fn subscribe(&self) -> Option<EventStream> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(EventStream { latest: self.latest.subscribe(), _permit: permit })
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.max_streams - self.permits.available_permits()
    }
}

impl EventStream {
    /// The next message; `None` after the last one. Cancel safe: a message that was not returned comes again.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.latest.changed().await.ok()?;
        Some(self.latest.borrow_and_update().clone())
    }
}

/// A message with this id and this data, which must be one line.
pub fn event(id: u64, data: &str) -> String {
    debug_assert!(!data.contains(['\r', '\n']), "a line break would end the data");
    format!("id: {id}\ndata: {data}\n\n")
}

/// Tells the client when to connect again after the stream has ended.
pub fn retry(after: std::time::Duration) -> String {
    format!("retry: {}\n\n", after.as_millis())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_slow_stream_gets_the_latest_message_only() {
        let publisher = EventPublisher::new(2);
        publisher.publish("before".into());
        let [mut fast, mut slow] = [(); 2].map(|()| publisher.subscribe().unwrap());
        assert_eq!(fast.next().now_or_never(), None, "nothing was published since");
        publisher.publish("1".into());
        assert_eq!(fast.next().now_or_never().flatten().unwrap(), "1");
        publisher.publish("2".into());
        assert_eq!(fast.next().now_or_never().flatten().unwrap(), "2");
        assert_eq!(slow.next().now_or_never().flatten().unwrap(), "2");
        assert_eq!(slow.next().now_or_never(), None);
        drop(publisher);
        assert_eq!(slow.next().now_or_never(), Some(None));
    }

    #[test]
    fn there_are_only_so_many_streams() {
        let publisher = EventPublisher::new(2);
        let streams = [(); 3].map(|()| publisher.subscribe());
        assert_eq!((streams.each_ref().map(Option::is_some), publisher.streams()), ([true, true, false], 2));
        drop(streams);
        assert!(publisher.streams() == 0 && publisher.subscribe().is_some());
    }

    #[test]
    fn a_message_ends_with_an_empty_line() {
        assert_eq!(event(7, "{}"), "id: 7\ndata: {}\n\n");
        assert_eq!(retry(std::time::Duration::from_secs(1)), "retry: 1000\n\n");
    }
}
