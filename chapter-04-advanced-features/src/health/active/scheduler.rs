//! What the timekeeper of the [`checker`](super::checker) does: who is to be checked, when, and what came of it.
//!
//! It never blocks but to wait for the next thing to do, so a check begins when it is due. Each check runs on a thread
//! of its own and reports back by a message.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender},
    },
    thread,
    time::Instant,
};

use common::clock::now;
use common::shutdown::{Shutdown, Stage};

use super::{
    config::Check,
    probe::{Failure, probe},
    state::Watch,
    target::Checked,
};

/// Checks under way at once, and so threads. Only as many backends as this that drop packets, all at once, could make
/// others wait, and then for one timeout.
const MAX_UNDER_WAY: usize = 64;
/// A check needs little: 4 KiB to read into, and the resolver is not asked.
const STACK_BYTES: usize = 256 * 1024;

/// Those that are to be checked soon, each once. A lock, which only failed connects take; a channel would grow with
/// each of them.
pub(crate) type Hurried<T> = Arc<Mutex<Vec<Arc<T>>>>;

/// What wakes the timekeeper.
#[derive(Debug)]
pub(crate) enum Message {
    /// This check has ended.
    Ended(u64, Result<(), Failure>),
    /// Somebody is in a hurry, or it is time to end.
    Wake,
}

/// What the timekeeper knows.
pub(crate) struct Round<T> {
    check: Arc<Check>,
    entries: Vec<Entry<T>>,
    last_id: u64,
    under_way: usize,
    /// For the threads it starts.
    messages: Sender<Message>,
    hurried: Hurried<T>,
    shutdown: Shutdown,
}

struct Entry<T> {
    /// Not the target's address: a result must not reach one that has left and come back.
    id: u64,
    target: Arc<T>,
    watch: Watch,
    is_under_way: bool,
}

impl<T: Checked> Round<T> {
    pub(crate) fn new(check: Check, messages: Sender<Message>, hurried: Hurried<T>, shutdown: Shutdown) -> Self {
        let (check, entries) = (Arc::new(check), Vec::new());
        Self { check, entries, last_id: 0, under_way: 0, messages, hurried, shutdown }
    }

    /// Until the shutdown's last stage.
    pub(crate) fn run(&mut self, targets: &impl Fn() -> Vec<Arc<T>>, inbox: &Receiver<Message>) {
        let mut next_look = now();
        while self.shutdown.stage() < Stage::Now {
            let time = now();
            if time >= next_look {
                self.look(targets(), time);
                next_look = time + self.check.fast_interval;
            }
            self.begin_due(time);
            let until = self.next_due().map_or(next_look, |due| due.min(next_look));
            if let Ok(message) = inbox.recv_timeout(until.saturating_duration_since(now())) {
                self.hear(message);
            }
        }
        // Who waits for us to end waits for the checks too.
        while self.under_way > 0 {
            if let Ok(Message::Ended(..)) = inbox.recv() {
                self.under_way -= 1;
            }
        }
    }

    /// Learns who has come and who has gone.
    fn look(&mut self, targets: Vec<Arc<T>>, time: Instant) {
        self.entries.retain(|entry| targets.iter().any(|target| Arc::ptr_eq(target, &entry.target)));
        let is_known = |target: &Arc<T>| self.entries.iter().any(|entry| Arc::ptr_eq(target, &entry.target));
        let new: Vec<_> = targets.into_iter().filter(|target| !is_known(target)).collect();
        let count = new.len();
        for (index, target) in new.into_iter().enumerate() {
            self.last_id += 1;
            let watch = Watch::new(&self.check, time, index, count);
            self.entries.push(Entry { id: self.last_id, target, watch, is_under_way: false });
        }
    }

    /// Begins the checks that are due, the longest overdue first, as far as there are threads.
    fn begin_due(&mut self, time: Instant) {
        let is_due = |entry: &&mut Entry<T>| !entry.is_under_way && entry.watch.due() <= time;
        let mut due: Vec<_> = self.entries.iter_mut().filter(is_due).collect();
        due.sort_by_key(|entry| entry.watch.due());
        due.truncate(MAX_UNDER_WAY - self.under_way);
        for entry in due {
            let report = Report { id: entry.id, outcome: None, messages: self.messages.clone() };
            let (check, target, shutdown) = (Arc::clone(&self.check), Arc::clone(&entry.target), self.shutdown.clone());
            let run = move || report.after(|| probe(&check, &target.addresses(), &target.host(), &shutdown));
            entry.is_under_way = true;
            self.under_way += 1;
            if let Err(error) = thread::Builder::new().name("health-check".into()).stack_size(STACK_BYTES).spawn(run) {
                // Its report was dropped with it, and so will be heard.
                tracing::error!("cannot start a health check thread: {error}");
            }
        }
    }

    /// When the next check is due that can be begun.
    fn next_due(&self) -> Option<Instant> {
        let waiting = self.entries.iter().filter(|entry| !entry.is_under_way);
        waiting.map(|entry| entry.watch.due()).min().filter(|_| self.under_way < MAX_UNDER_WAY)
    }

    fn hear(&mut self, message: Message) {
        let time = now();
        match message {
            Message::Wake => self.hurry(time),
            Message::Ended(id, outcome) => {
                self.under_way -= 1;
                if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
                    entry.end(outcome, time);
                }
            }
        }
    }

    /// Those whose live connects have failed.
    fn hurry(&mut self, time: Instant) {
        let hurried = std::mem::take(&mut *self.hurried.lock().unwrap_or_else(PoisonError::into_inner));
        let is_hurried = |entry: &&mut Entry<T>| hurried.iter().any(|target| Arc::ptr_eq(target, &entry.target));
        self.entries.iter_mut().filter(is_hurried).for_each(|entry| entry.watch.hurry(time));
    }
}

impl<T: Checked> Entry<T> {
    fn end(&mut self, outcome: Result<(), Failure>, time: Instant) {
        self.is_under_way = false;
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(Failure::Unhealthy(why)) => Err(why),
            Err(Failure::NotItsFault(why)) => {
                tracing::warn!("health check of {} could not run: {why}", self.target.host());
                return self.watch.skip(time, random());
            }
        };
        let change = self.watch.record(outcome.is_ok(), time, random());
        self.target.checked(outcome, change, time);
    }
}

/// Reports the end of a check however it ends: else a panic would leave its backend unchecked for ever.
struct Report {
    id: u64,
    outcome: Option<Result<(), Failure>>,
    messages: Sender<Message>,
}

impl Report {
    fn after(mut self, check: impl FnOnce() -> Result<(), Failure>) {
        self.outcome = Some(check());
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let outcome =
            self.outcome.take().unwrap_or_else(|| Err(Failure::NotItsFault("the check thread panicked".into())));
        // Nobody listens once the checker has ended.
        let _ = self.messages.send(Message::Ended(self.id, outcome));
    }
}

/// The standard library's hasher has a random key: enough to be early or late by.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
