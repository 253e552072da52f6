//! Exercise 8.6: a stream of events (an hour).
//!
//! **Contract.** [`feed`] returns a feed ([`EventFeed`]) for at most `most` streams at a time.
//!
//! - A message is a line `id: ` with its number, a line `data: ` for each line of its data, and an empty line. A line
//!   of the data ends with `\n`, `\r` or `\r\n`: a reader of `text/event-stream` takes each of these for an end.
//! - A stream begins with the latest message, if there is one, and gets no message twice.
//! - A message that has begun is sent to its end. After it comes the one that is the latest *then*; those in between
//!   are never sent. So a page that reads slowly takes no memory but for the message that it is being sent.
//! - `write_to` never waits: `WouldBlock` ends it without an error, and the next call goes on at the same byte.
//!   `Interrupted` is tried again.
//! - Any other error, and a `write` that takes nothing (that is `WriteZero`), closes the stream: its place is free.
//! - A number is not given to another stream later. To write to a stream that is closed is an error.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};

use crate::contracts::EventFeed;

/// A feed without messages.
pub fn feed(most: usize) -> impl EventFeed {
    Feed { queues: HashMap::new(), opened: 0, most }
}

struct Feed {
    /// What is to be sent to each stream.
    queues: HashMap<u64, VecDeque<String>>,
    opened: u64,
    most: usize,
}

impl EventFeed for Feed {
    fn publish(&mut self, id: u64, data: &str) {
        for queue in self.queues.values_mut() {
            queue.push_back(format!("id: {id}\ndata: {data}\n\n"));
        }
    }

    fn open(&mut self) -> Option<u64> {
        if self.queues.len() == self.most {
            return None;
        }
        self.opened += 1;
        self.queues.insert(self.opened, VecDeque::new());
        Some(self.opened)
    }

    fn close(&mut self, stream: u64) {
        self.queues.remove(&stream);
    }

    fn write_to(&mut self, stream: u64, connection: &mut dyn Write) -> io::Result<()> {
        let queue = self.queues.get_mut(&stream).ok_or(io::ErrorKind::NotConnected)?;
        while let Some(message) = queue.pop_front() {
            connection.write_all(message.as_bytes())?;
        }
        Ok(())
    }
}
