//! Exercise 5.2, solved.
//!
//! `poll` reports a hang-up and an error whether they are requested or not, and no flag turns that off. So a socket
//! without interest is not passed to `poll` at all: otherwise the first client that closes while its socket has no
//! interest makes every wait return at once, and the loop burns a CPU core. The timeout is in whole milliseconds, and
//! 300 µs rounded down would be 0, which burns a CPU core too.
//!
//! Each wait passes all sockets to the kernel again and scans all of them afterwards, ready or not. That is what epoll
//! saves.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::contracts::{Interest, Poller, Ready};

/// The registered sockets.
#[derive(Debug)]
pub struct PollPoller {
    registered: BTreeMap<usize, (Arc<OwnedFd>, Interest)>,
}

/// A poller without sockets.
pub fn poller() -> PollPoller {
    PollPoller { registered: BTreeMap::new() }
}

impl Poller for PollPoller {
    fn register(&mut self, token: usize, socket: Arc<OwnedFd>, interest: Interest) -> io::Result<()> {
        match self.registered.entry(token) {
            Entry::Occupied(_) => Err(ErrorKind::AlreadyExists.into()),
            Entry::Vacant(vacant) => {
                vacant.insert((socket, interest));
                Ok(())
            }
        }
    }

    fn reregister(&mut self, token: usize, interest: Interest) -> io::Result<()> {
        let (_, registered) = self.registered.get_mut(&token).ok_or(ErrorKind::NotFound)?;
        *registered = interest;
        Ok(())
    }

    fn deregister(&mut self, token: usize) -> io::Result<()> {
        self.registered.remove(&token).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let registered = self.registered.iter().filter(|(_, (_, interest))| *interest != Interest::default());
        let (registered, mut fds): (Vec<_>, Vec<_>) = registered
            .map(|(token, (socket, interest))| ((*token, *interest), PollFd::new(socket.as_fd(), flags(*interest))))
            .unzip();
        let deadline = timeout.and_then(|timeout| clock().checked_add(timeout));
        while poll_once(&mut fds, deadline)? == 0 {
            if deadline.is_some_and(|deadline| clock() >= deadline) {
                return Ok(());
            }
        }
        ready
            .extend(registered.iter().zip(&fds).filter_map(|((token, interest), fd)| readiness(*token, *interest, fd)));
        Ok(())
    }
}

/// Blocks until a socket is ready; returns how many are. 0: the deadline may have passed, or it was too far away for
/// one call, or a signal interrupted the call.
fn poll_once(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<i32> {
    let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
        let remaining = deadline.saturating_duration_since(clock());
        // Rounded up to the next millisecond; a longer timeout than `poll` accepts takes several calls.
        PollTimeout::try_from(remaining.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
    });
    match poll(fds, timeout) {
        Err(Errno::EINTR) => Ok(0),
        outcome => Ok(outcome?),
    }
}

fn readiness(token: usize, interest: Interest, fd: &PollFd<'_>) -> Option<Ready> {
    let events = fd.revents().unwrap_or(PollFlags::empty());
    let ended = events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR);
    let read = interest.read && (ended || events.contains(PollFlags::POLLIN));
    let write = interest.write && (ended || events.contains(PollFlags::POLLOUT));
    (read || write).then_some(Ready { token, read, write })
}

fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, interest.read);
    flags.set(PollFlags::POLLOUT, interest.write);
    flags
}

#[expect(clippy::disallowed_methods, reason = "a wait needs the clock")]
fn clock() -> Instant {
    Instant::now()
}
