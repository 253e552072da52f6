//! Exercise 5.2: a poller on poll(2) (an hour).
//!
//! **Contract.** [`poller`] makes a [`Poller`] with nothing but the system call `poll` behind it.
//!
//! - It is level-triggered: what is ready is told by every `wait`, until it is not. All that is ready is told at once.
//! - An end or a break of the connection makes a socket ready for all that it is watched for: only the read or the write
//!   finds out what it is. A loop watches pipes too, and what has ended there is told in the same way.
//! - A socket that is watched for nothing is never told of, and never ends a wait, whatever happens to it.
//! - A wait without anything ready takes as long as was asked for, never less, be it 300 µs or longer than anybody lives.
//!   It is slept: no core is burnt meanwhile. One with something ready returns at once.
//! - A socket is kept open while it is watched, and let go by `forget`. Its number can be used for another one then.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::contracts::{Interest, Poller, Ready};

/// Sockets to wait for.
#[derive(Debug)]
pub struct Polling {
    watched: BTreeMap<usize, (Arc<OwnedFd>, Interest)>,
}

/// Watches nothing yet.
pub fn poller() -> Polling {
    Polling { watched: BTreeMap::new() }
}

impl Poller for Polling {
    fn watch(&mut self, token: usize, socket: Arc<OwnedFd>, interest: Interest) -> io::Result<()> {
        self.watched.insert(token, (socket, interest));
        Ok(())
    }

    fn change(&mut self, token: usize, interest: Interest) -> io::Result<()> {
        let (_, watched) = self.watched.get_mut(&token).ok_or(io::ErrorKind::NotFound)?;
        *watched = interest;
        Ok(())
    }

    fn forget(&mut self, token: usize) -> io::Result<()> {
        self.watched.remove(&token).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        let asked = self.watched.values().map(|(socket, interest)| PollFd::new(socket.as_fd(), flags(*interest)));
        let mut fds: Vec<_> = asked.collect();
        let timeout = timeout.map_or(-1, |timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        poll(&mut fds, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::NONE))?;
        let told = self.watched.keys().zip(&fds).filter_map(|(token, fd)| {
            let found = fd.revents().unwrap_or(PollFlags::empty());
            let (read, write) = (found.contains(PollFlags::POLLIN), found.contains(PollFlags::POLLOUT));
            (read || write).then_some(Ready { token: *token, read, write })
        });
        ready.clear();
        ready.extend(told);
        Ok(())
    }
}

fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, interest.read);
    flags.set(PollFlags::POLLOUT, interest.write);
    flags
}
