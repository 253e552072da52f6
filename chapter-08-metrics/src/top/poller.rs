//! The thread that reads the document once a second, and asks for changes in between.
//!
//! Requests block, so they are not made by the thread that draws: a balancer that hangs must not make `q` wait.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use common::clock::now;

use super::{
    change::Change,
    client::{AdminClient, ClientError},
    reading::Reading,
};

/// How often the document is read.
const PERIOD: Duration = Duration::from_secs(1);

/// What the thread has to say.
#[derive(Debug)]
pub enum Polled {
    /// The document, or why there is none.
    Read(Result<Box<Reading>, ClientError>),
    /// A change was made, or why it was not.
    Changed(Change, Result<(), ClientError>),
}

/// Starts the thread. It ends when the sender that is returned is dropped, after the request that it may be making, or
/// when `report` returns `false`, as nobody listens.
pub fn spawn(client: AdminClient, report: impl Fn(Polled) -> bool + Send + 'static) -> io::Result<Sender<Change>> {
    let (changes_tx, changes) = channel();
    thread::Builder::new().name("poller".into()).spawn(move || poll(&client, &changes, report))?;
    Ok(changes_tx)
}

fn poll(client: &AdminClient, changes: &Receiver<Change>, report: impl Fn(Polled) -> bool) {
    loop {
        let began = now();
        let document = client.read();
        let reading = document.map(|document| Box::new(Reading { document, at: now() }));
        if !report(Polled::Read(reading)) {
            return;
        }
        match wait(changes, began + PERIOD) {
            Ok(Some(change)) => {
                let result = client.change(&change);
                if !report(Polled::Changed(change, result)) {
                    return;
                }
                // What has changed is read at once.
            }
            Ok(None) => {}
            Err(Stopped) => return,
        }
    }
}

struct Stopped;

/// The next change to be made, or `None` once it is time for the next reading.
fn wait(changes: &Receiver<Change>, until: Instant) -> Result<Option<Change>, Stopped> {
    match changes.recv_timeout(until.saturating_duration_since(now())) {
        Ok(change) => Ok(Some(change)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(Stopped),
    }
}
