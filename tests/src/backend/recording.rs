//! What the connections of a scripted backend have sent, shared between its scripts and the case.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::checker::{RequestHead, single_request};

/// What one connection has sent.
#[derive(Debug, Clone, Default)]
pub struct RecordedConnection {
    /// Every byte, up to some megabytes.
    pub bytes: Vec<u8>,
    /// The number of bytes.
    pub count: u64,
    /// Whether the script has read the balancer's FIN or RST.
    pub ended: bool,
}

impl RecordedConnection {
    /// The single request that this connection must consist of.
    pub fn request(&self) -> (RequestHead, Vec<u8>) {
        let (head, body, _) =
            single_request(&self.bytes).unwrap_or_else(|error| panic!("{error:?} in {}", self.bytes.escape_ascii()));
        (head, body)
    }
}

/// The recordings of all connections, and a condition that is notified of each change.
pub(super) type Shared = Arc<(Mutex<Vec<RecordedConnection>>, Condvar)>;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads from the socket and records the bytes.
#[derive(Debug)]
pub struct Recorder {
    pub(super) stream: Arc<TcpStream>,
    pub(super) index: usize,
    pub(super) shared: Shared,
    pub(super) max_recorded_bytes: usize,
}

impl Read for Recorder {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let outcome = (&*self.stream).read(room);
        let (seen, changed) = &*self.shared;
        let mut seen = lock(seen);
        let seen = &mut seen[self.index];
        match &outcome {
            Ok(0) => seen.ended = true,
            Ok(got) => {
                let keep = self.max_recorded_bytes.saturating_sub(seen.bytes.len()).min(*got);
                seen.bytes.extend_from_slice(&room[..keep]);
                seen.count += *got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => seen.ended = true,
            Err(_) => {}
        }
        changed.notify_all();
        outcome
    }
}
