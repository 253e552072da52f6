//! Looks at the balancer once a second, and sends the document to all who are connected.
//!
//! One thread for all of them: the document is made and serialized once per second, not once per page, and only while
//! somebody is connected. In between there are only the looks for events.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use advanced_features::admin::{
    EventPublisher, EventStream,
    event_stream::{event, retry},
};
use common::clock::now;

use super::{
    document::LiveDocument,
    event_log::EventLog,
    observation::Observation,
    source::{LiveSource, unix_ms},
};

/// The time between two documents.
const PERIOD: Duration = Duration::from_secs(1);
/// Streams at a time: the rest of the admin interface's connections stay free for its API.
pub const MAX_STREAMS: usize = 24;
/// How long a client waits before it connects again.
const RETRY: Duration = Duration::from_secs(1);

/// The running feed. Dropping it ends its thread and all streams.
#[derive(Debug)]
pub struct LiveFeed {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    source: LiveSource,
    log: Mutex<EventLog>,
    publisher: EventPublisher,
    /// The latest message, and when it was made.
    latest: Mutex<Option<(Instant, String)>>,
    stopped: Mutex<bool>,
    stop: Condvar,
}

impl LiveFeed {
    /// Starts looking at `source`.
    ///
    /// # Errors
    /// No threads are left.
    pub fn start(source: LiveSource) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            source,
            log: Mutex::default(),
            publisher: EventPublisher::new(MAX_STREAMS),
            latest: Mutex::default(),
            stopped: Mutex::default(),
            stop: Condvar::new(),
        });
        let looking = Arc::clone(&shared);
        let thread = thread::Builder::new().name("live".into()).spawn(move || looking.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The document now.
    pub fn document(&self) -> LiveDocument {
        self.shared.document()
    }

    /// A further stream, and what it begins with: the latest document, without waiting for the next. `None` if
    /// [`MAX_STREAMS`] are open.
    pub fn subscribe(&self) -> Option<(String, EventStream)> {
        let stream = self.shared.publisher.subscribe()?;
        Some((retry(RETRY) + &self.shared.recent_message(), stream))
    }
}

impl Drop for LiveFeed {
    fn drop(&mut self) {
        *lock(&self.shared.stopped) = true;
        self.shared.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let (mut before, mut next) = (Observation::of(&self.source, now()), now() + PERIOD);
        while !self.wait_until(next) {
            // Not several at once if the machine slept.
            next = (next + PERIOD).max(now());
            let observation = Observation::of(&self.source, now());
            lock(&self.log).record(observation.changes_since(&before), unix_ms());
            before = observation;
            if self.publisher.streams() > 0 {
                self.publisher.publish(self.new_message());
            }
        }
    }

    /// Whether the feed was stopped before `deadline`.
    fn wait_until(&self, deadline: Instant) -> bool {
        let wait = deadline.saturating_duration_since(now());
        let stopped = self.stop.wait_timeout_while(lock(&self.stopped), wait, |stopped| !*stopped);
        *stopped.unwrap_or_else(PoisonError::into_inner).0
    }

    fn document(&self) -> LiveDocument {
        let events = lock(&self.log).events();
        self.source.document(events)
    }

    /// The document now, as a message.
    fn new_message(&self) -> String {
        let document = self.document();
        let message = match serde_json::to_string(&document) {
            Ok(json) => event(document.uptime_ms, &json),
            Err(error) => {
                tracing::error!("live page: cannot serialize the document: {error}");
                String::new()
            }
        };
        *lock(&self.latest) = Some((now(), message.clone()));
        message
    }

    /// The latest message, unless it is older than the next one should be.
    fn recent_message(&self) -> String {
        let latest = lock(&self.latest).clone();
        let recent = latest.filter(|(made_at, _)| now().saturating_duration_since(*made_at) < PERIOD);
        recent.map_or_else(|| self.new_message(), |(_, message)| message)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
