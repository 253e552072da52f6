//! What the exercises, their checks and the solutions share.

use std::{fs::File, io, ops::Range, os::fd::BorrowedFd};

/// A piece of a response. (Exercise 9.2.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes: a head, or what stands between two ranges of a `multipart/byteranges` body.
    Bytes(Vec<u8>),
    /// These bytes of the file.
    File(Range<u64>),
}

/// Sends the parts of a response one after the other. It waits for nothing: the caller waits for the socket.
/// (Exercise 9.2.)
pub trait PartsSender {
    /// How many bytes are still to be sent.
    fn remaining(&self) -> u64;

    /// Sends until `limit` bytes are sent, the socket takes no more, or nothing remains. Returns how many bytes; 0 only
    /// if nothing remains or `limit` is 0.
    ///
    /// # Errors
    /// Only if this call has sent nothing; otherwise the next call fails.
    /// - `WouldBlock`: the socket's send buffer is full.
    /// - `UnexpectedEof`: the file is shorter than a range.
    /// - Any other error of the system.
    fn send(&mut self, socket: BorrowedFd<'_>, limit: usize) -> io::Result<usize>;
}

/// `sendfile(2)`: moves up to `count` bytes of `file` to `socket`, and returns how many the socket has taken. 0: there
/// are none at this place of the file. With an offset, reads from there and adds to it; without, reads from the position
/// of the file and moves that.
///
/// # Errors
/// `WouldBlock`: the socket's send buffer is full. Any other error of the system.
#[cfg(target_os = "linux")]
pub fn sendfile(socket: BorrowedFd<'_>, file: &File, offset: Option<&mut i64>, count: usize) -> io::Result<usize> {
    Ok(nix::sys::sendfile::sendfile64(socket, file, offset, count)?)
}

/// Elsewhere, without a `sendfile` of these arguments.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn sendfile(_: BorrowedFd<'_>, _: &File, _: Option<&mut i64>, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `send(2)`: returns how many of the bytes the socket has taken.
///
/// # Errors
/// `WouldBlock`: the socket's send buffer is full. Any other error of the system.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    use std::os::fd::AsRawFd as _;
    Ok(nix::sys::socket::send(socket.as_raw_fd(), bytes, nix::sys::socket::MsgFlags::empty())?)
}
