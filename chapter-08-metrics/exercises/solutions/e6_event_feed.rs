//! The solution of exercise 8.6.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use crate::contracts::EventFeed;

/// A feed without messages.
pub fn feed(most: usize) -> impl EventFeed {
    Feed { latest: "".into(), published: 0, streams: HashMap::new(), opened: 0, most }
}

struct Feed {
    /// Formatted once, and shared by all streams that are being sent it.
    latest: Arc<str>,
    /// How many were published: two messages may have the same id.
    published: u64,
    streams: HashMap<u64, Stream>,
    opened: u64,
    most: usize,
}

struct Stream {
    /// What it is being sent, and how much of that was sent.
    message: Arc<str>,
    sent: usize,
    /// The value of `published` at that message.
    seen: u64,
}

impl EventFeed for Feed {
    fn publish(&mut self, id: u64, data: &str) {
        let mut message = format!("id: {id}\n");
        for line in data.replace("\r\n", "\n").split(['\r', '\n']) {
            let _ = writeln!(message, "data: {line}");
        }
        self.latest = (message + "\n").into();
        self.published += 1;
    }

    fn open(&mut self) -> Option<u64> {
        if self.streams.len() >= self.most {
            return None;
        }
        self.opened += 1;
        self.streams.insert(self.opened, Stream { message: "".into(), sent: 0, seen: 0 });
        Some(self.opened)
    }

    fn close(&mut self, stream: u64) {
        self.streams.remove(&stream);
    }

    fn write_to(&mut self, stream: u64, connection: &mut dyn Write) -> io::Result<()> {
        let result = self.send(stream, connection);
        if result.is_err() {
            self.close(stream);
        }
        result
    }
}

impl Feed {
    fn send(&mut self, stream: u64, connection: &mut dyn Write) -> io::Result<()> {
        let stream = self.streams.get_mut(&stream).ok_or(ErrorKind::NotConnected)?;
        loop {
            if stream.sent == stream.message.len() {
                if stream.seen == self.published {
                    return Ok(());
                }
                *stream = Stream { message: Arc::clone(&self.latest), sent: 0, seen: self.published };
            }
            match connection.write(&stream.message.as_bytes()[stream.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => stream.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
