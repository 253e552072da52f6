//! Exercise 9.2: a response of several ranges of a file (an hour).
//!
//! **Contract.** [`sender`] returns a [`PartsSender`], whose documentation says what each method does.
//!
//! - What arrives is exactly the parts, in order, whatever the socket takes at a time.
//! - Several senders send from one file at the same time. The file's own position belongs to none of them.
//! - What was announced is sent, or the sender fails: a file that has become shorter is an error, and what is appended
//!   to it is not sent. A part may be empty.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::fd::BorrowedFd,
    sync::Arc,
};

use crate::contracts::{Part, PartsSender, send, sendfile};

/// Sends `parts`, whose ranges are of `file`.
pub fn sender(file: Arc<File>, parts: Vec<Part>) -> Box<dyn PartsSender> {
    Box::new(Sender { file, parts, next: 0 })
}

struct Sender {
    file: Arc<File>,
    parts: Vec<Part>,
    /// The index of the next part.
    next: usize,
}

impl PartsSender for Sender {
    fn remaining(&self) -> u64 {
        let length = |part: &Part| match part {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File(range) => range.end - range.start,
        };
        self.parts[self.next..].iter().map(length).sum()
    }

    fn send(&mut self, socket: BorrowedFd<'_>, _limit: usize) -> io::Result<usize> {
        let mut sent = 0;
        for part in &self.parts[self.next..] {
            sent += match part {
                Part::Bytes(bytes) => send(socket, bytes)?,
                Part::File(range) => {
                    (&*self.file).seek(SeekFrom::Start(range.start))?;
                    let count = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
                    sendfile(socket, &self.file, None, count)?
                }
            };
            self.next += 1;
        }
        Ok(sent)
    }
}
