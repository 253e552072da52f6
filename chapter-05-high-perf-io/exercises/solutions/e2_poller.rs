//! Exercise 5.2, solved.
//!
//! `poll` tells of an end and of an error whether one asks or not, and there is no flag against it. So who is watched for
//! nothing is not given to it at all: else the first client that leaves while nothing is wanted of it makes every wait
//! return at once, and the loop burns a core. Its time-out is whole milliseconds, and rounded down 300 µs would be 0,
//! which is another way to burn one.
//!
//! Each wait hands all sockets to the kernel anew and looks through all of them afterwards, ready or not. That is what
//! epoll saves, and all that it saves.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
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
        match self.watched.entry(token) {
            Entry::Occupied(_) => Err(ErrorKind::AlreadyExists.into()),
            Entry::Vacant(place) => {
                place.insert((socket, interest));
                Ok(())
            }
        }
    }

    fn change(&mut self, token: usize, interest: Interest) -> io::Result<()> {
        let (_, watched) = self.watched.get_mut(&token).ok_or(ErrorKind::NotFound)?;
        *watched = interest;
        Ok(())
    }

    fn forget(&mut self, token: usize) -> io::Result<()> {
        self.watched.remove(&token).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let asked = self.watched.iter().filter(|(_, (_, interest))| *interest != Interest::default());
        let (asked, mut fds): (Vec<_>, Vec<_>) = asked
            .map(|(token, (socket, interest))| ((*token, *interest), PollFd::new(socket.as_fd(), flags(*interest))))
            .unzip();
        let deadline = timeout.and_then(|timeout| clock().checked_add(timeout));
        while sleep(&mut fds, deadline)? == 0 {
            if deadline.is_some_and(|deadline| clock() >= deadline) {
                return Ok(());
            }
        }
        ready.extend(asked.iter().zip(&fds).filter_map(|((token, interest), fd)| told(*token, *interest, fd)));
        Ok(())
    }
}

/// Sleeps until something is ready; how many are. 0: the time may be over, or it was too long to be slept at once, or a
/// signal came in between.
fn sleep(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<i32> {
    let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
        let left = deadline.saturating_duration_since(clock());
        // Up to the next millisecond; beyond what `poll` can sleep at once, again.
        PollTimeout::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
    });
    match poll(fds, timeout) {
        Err(Errno::EINTR) => Ok(0),
        outcome => Ok(outcome?),
    }
}

fn told(token: usize, interest: Interest, fd: &PollFd<'_>) -> Option<Ready> {
    let found = fd.revents().unwrap_or(PollFlags::empty());
    let ended = found.intersects(PollFlags::POLLHUP | PollFlags::POLLERR);
    let read = interest.read && (ended || found.contains(PollFlags::POLLIN));
    let write = interest.write && (ended || found.contains(PollFlags::POLLOUT));
    (read || write).then_some(Ready { token, read, write })
}

fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, interest.read);
    flags.set(PollFlags::POLLOUT, interest.write);
    flags
}

#[expect(clippy::disallowed_methods, reason = "whoever waits needs the clock")]
fn clock() -> Instant {
    Instant::now()
}
