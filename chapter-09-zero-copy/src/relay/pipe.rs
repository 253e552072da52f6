//! A pipe, through which bytes go from one socket to another without a copy in user space.
//!
//! `splice(2)` moves references to the kernel's pages: from a socket's receive queue into the pipe, and from there into
//! another socket's send queue. Two traps, and how this type avoids them:
//!
//! - `EAGAIN` is ambiguous: the socket has no bytes, or the pipe has no room. So the pipe counts what is in it, and is
//!   filled only when it is empty: then `EAGAIN` means that the socket has no bytes.
//! - A pipe with bytes in it belongs to one session. It goes back to a pool only when it is empty.
//!
//! An unprivileged user has 16,384 pages for pipes (`pipe-user-pages-soft`). Beyond that, new pipes have one or two
//! pages, so the capacity is asked for and then read back.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

#[cfg(target_os = "linux")]
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};

/// A pipe whose content is counted.
#[derive(Debug)]
pub struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    capacity: usize,
    len: usize,
}

#[cfg(target_os = "linux")]
impl Pipe {
    /// A pipe of `wanted` bytes, or of as many as the kernel grants. See [`capacity`](Self::capacity).
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE`: no descriptors are left.
    pub fn open(wanted: usize) -> io::Result<Self> {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
        // Refused (EPERM) once the user's pipe pages are used up: the pipe then keeps the capacity that it was opened with.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(wanted));
        let capacity = usize::try_from(fcntl(&writer, FcntlArg::F_GETPIPE_SZ)?).unwrap_or(0);
        Ok(Self { reader, writer, capacity, len: 0 })
    }

    // ANCHOR: fill
    /// Moves what the socket `source` has received into the pipe, which must be empty. Returns how many bytes; 0: the
    /// source has sent FIN.
    ///
    /// # Errors
    /// `WouldBlock`: the source has no bytes. Others are the source's.
    pub fn fill_from(&mut self, source: &impl AsFd) -> io::Result<usize> {
        self.fill_up_to(self.capacity, source)
    }

    /// The same, but at most `max` bytes: what follows them in the socket stays there.
    ///
    /// # Errors
    /// As [`fill_from`](Self::fill_from).
    pub fn fill_up_to(&mut self, max: usize, source: &impl AsFd) -> io::Result<usize> {
        debug_assert!(self.is_empty(), "with bytes in the pipe, EAGAIN could mean that it is full");
        let moved = splice(source, None, &self.writer, None, max.min(self.capacity), NONBLOCKING)?;
        self.len = moved;
        Ok(moved)
    }

    /// Moves bytes from the pipe, which must not be empty, to the socket `destination`. Returns how many.
    ///
    /// # Errors
    /// `WouldBlock`: the destination's send buffer is full. Others are the destination's.
    pub fn drain_to(&mut self, destination: &impl AsFd) -> io::Result<usize> {
        debug_assert!(!self.is_empty(), "an empty pipe returns EAGAIN too");
        let moved = splice(&self.reader, None, destination, None, self.len, NONBLOCKING)?;
        self.len -= moved;
        Ok(moved)
    }
    // ANCHOR_END: fill
}

/// The flag concerns the pipe: a socket is non-blocking by its own flag.
#[cfg(target_os = "linux")]
const NONBLOCKING: SpliceFFlags = SpliceFFlags::SPLICE_F_NONBLOCK;

/// Other systems have no `splice(2)`: there, every relay copies.
#[cfg(not(target_os = "linux"))]
impl Pipe {
    /// Fails.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn open(_wanted: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fails.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn fill_from(&mut self, _source: &impl AsFd) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fails.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn fill_up_to(&mut self, _max: usize, _source: &impl AsFd) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fails.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn drain_to(&mut self, _destination: &impl AsFd) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Pipe {
    /// How many bytes fit in, at most. Fewer, if they come in small pieces: each takes a whole page.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many bytes are in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::{Shutdown, TcpListener, TcpStream},
    };

    use super::*;

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn bytes_go_through_and_are_counted() {
        for wanted in [4_096, 65_536] {
            let mut pipe = Pipe::open(wanted).unwrap();
            assert_eq!(pipe.capacity(), wanted);
            let ((mut sender, source), (destination, mut receiver)) = (connected(), connected());
            source.set_nonblocking(true).unwrap();
            assert_eq!(pipe.fill_from(&source).unwrap_err().kind(), ErrorKind::WouldBlock);
            sender.write_all(b"ten bytes.").unwrap();
            source.set_nonblocking(false).unwrap(); // waits until they have arrived
            assert_eq!((pipe.fill_from(&source).unwrap(), pipe.len()), (10, 10));
            assert_eq!((pipe.drain_to(&destination).unwrap(), pipe.len()), (10, 0));
            let mut arrived = [0; 10];
            receiver.read_exact(&mut arrived).unwrap();
            assert_eq!(&arrived, b"ten bytes.");
            sender.shutdown(Shutdown::Write).unwrap();
            assert_eq!(pipe.fill_from(&source).unwrap(), 0, "FIN");
        }
    }

    #[test]
    fn a_full_destination_is_told_from_an_empty_source() {
        let mut pipe = Pipe::open(65_536).unwrap();
        let ((mut sender, source), (destination, _receiver)) = (connected(), connected());
        destination.set_nonblocking(true).unwrap();
        let full = loop {
            if pipe.is_empty() {
                sender.write_all(&[0; 4_096]).unwrap();
                pipe.fill_from(&source).unwrap();
            }
            if let Err(error) = pipe.drain_to(&destination) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        assert!(!pipe.is_empty(), "what was not sent is still there");
    }
}
