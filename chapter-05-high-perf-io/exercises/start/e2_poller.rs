//! Exercise 5.2: a poller on poll(2) (an hour).
//!
//! **Contract.** [`poller`] returns a [`Poller`] that uses only the system call `poll`.
//!
//! - It is level-triggered: every `wait` reports a ready socket until it is no longer ready, and all ready ones at
//!   once.
//! - A FIN, a hang-up or an error makes a socket ready for everything that it is registered for: only the read or the
//!   write shows which it is. Pipes may be registered, too, and the closing of their other end is reported in the same
//!   way.
//! - A socket without interest is never reported, and never ends a wait, whatever happens to it.
//! - A wait without a ready socket takes as long as its timeout, never less, whether that is 300 µs or a thousand
//!   years. It blocks: it does not burn a CPU core. A wait with a ready socket returns at once.
//! - A socket is kept open while it is registered, and dropped by `deregister`. Then its token may be used for another
//!   socket.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

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
        self.registered.insert(token, (socket, interest));
        Ok(())
    }

    fn reregister(&mut self, token: usize, interest: Interest) -> io::Result<()> {
        let (_, registered) = self.registered.get_mut(&token).ok_or(io::ErrorKind::NotFound)?;
        *registered = interest;
        Ok(())
    }

    fn deregister(&mut self, token: usize) -> io::Result<()> {
        self.registered.remove(&token).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        let fds = self.registered.values().map(|(socket, interest)| PollFd::new(socket.as_fd(), flags(*interest)));
        let mut fds: Vec<_> = fds.collect();
        let timeout = timeout.map_or(-1, |timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        poll(&mut fds, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::NONE))?;
        let found = self.registered.keys().zip(&fds).filter_map(|(token, fd)| {
            let events = fd.revents().unwrap_or(PollFlags::empty());
            let (read, write) = (events.contains(PollFlags::POLLIN), events.contains(PollFlags::POLLOUT));
            (read || write).then_some(Ready { token: *token, read, write })
        });
        ready.clear();
        ready.extend(found);
        Ok(())
    }
}

fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, interest.read);
    flags.set(PollFlags::POLLOUT, interest.write);
    flags
}
