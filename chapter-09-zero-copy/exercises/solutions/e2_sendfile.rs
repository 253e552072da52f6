//! A solution of exercise 9.2.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, ErrorKind},
    os::fd::BorrowedFd,
    sync::Arc,
};

use crate::contracts::{Part, PartsSender, send, sendfile};

/// Sends `parts`, whose ranges are of `file`.
pub fn sender(file: Arc<File>, parts: Vec<Part>) -> Box<dyn PartsSender> {
    Box::new(Sender { file, parts: parts.into() })
}

struct Sender {
    file: Arc<File>,
    /// What remains: the first part without the bytes that were sent.
    parts: VecDeque<Part>,
}

fn length(part: &Part) -> u64 {
    match part {
        Part::Bytes(bytes) => bytes.len() as u64,
        Part::File(range) => range.end.saturating_sub(range.start),
    }
}

impl Sender {
    /// Sends once from the first part, and takes what was sent from it.
    fn send_once(&mut self, socket: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
        let Some(part) = self.parts.front_mut() else { return Ok(0) };
        let wanted = usize::try_from(length(part)).unwrap_or(usize::MAX).min(limit);
        let sent = match part {
            Part::Bytes(bytes) => {
                let sent = send(socket, &bytes[..wanted])?;
                bytes.drain(..sent);
                sent
            }
            Part::File(range) => {
                let mut offset = i64::try_from(range.start).map_err(|_| ErrorKind::InvalidInput)?;
                let sent = sendfile(socket, &self.file, Some(&mut offset), wanted)?;
                range.start += sent as u64;
                sent
            }
        };
        if sent == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(sent) }
    }
}

impl PartsSender for Sender {
    fn remaining(&self) -> u64 {
        self.parts.iter().map(length).sum()
    }

    fn send(&mut self, socket: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
        let mut sent = 0;
        while sent < limit {
            // Also an empty part, of which 0 bytes are no error.
            while self.parts.pop_front_if(|part| length(part) == 0).is_some() {}
            if self.parts.is_empty() {
                break;
            }
            match self.send_once(socket, limit - sent) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The next call finds it again.
                Err(_) if sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}
