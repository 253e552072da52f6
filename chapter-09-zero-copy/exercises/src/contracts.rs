//! What the exercises, their checks and the solutions share.

use std::{fs::File, io, ops::Range, os::fd::BorrowedFd};

use zero_copy::proxy_protocol::ProxyHeader;

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

/// What a [`HeaderReader`] knows after some bytes. (Exercise 9.3.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    Incomplete,
    /// The header is complete.
    Complete {
        /// What it says.
        header: ProxyHeader,
        /// How many bytes of this push belong to it. The others are the client's.
        taken: usize,
    },
}

/// The bytes cannot become a header any more: the connection is to be closed. (Exercise 9.3.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Reads a PROXY header that arrives in pieces. (Exercise 9.3.)
pub trait HeaderReader {
    /// Takes in the next bytes of the connection. Not called again once it has returned anything but
    /// [`Progress::Incomplete`].
    ///
    /// # Errors
    /// No bytes that follow can make a header of these.
    fn push(&mut self, bytes: &[u8]) -> Result<Progress, Refused>;

    /// How many bytes of memory the reader takes, itself included.
    fn memory(&self) -> usize;
}

/// One of the two ends of a session. (Exercise 9.4.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It has connected to the balancer.
    Client,
    /// The balancer has connected to it.
    Backend,
}

impl Peer {
    /// The one at the other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Backend,
            Self::Backend => Self::Client,
        }
    }
}

/// What is to be done with the socket of a peer. (Exercise 9.4.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'r> {
    /// Nothing now.
    Nothing,
    /// Send these bytes, at least one; then call [`SessionRelay::sent`].
    Send(&'r [u8]),
    /// Send FIN (`shutdown(SHUT_WR)`), then call [`SessionRelay::fin_sent`].
    Fin,
    /// Reset the connection: the session has failed.
    Reset,
    /// Close the socket: the session is over.
    Close,
}

/// Both directions of a session, without sockets. The caller tells what has happened, and asks what is to be done.
/// (Exercise 9.4.)
pub trait SessionRelay {
    /// How many bytes may be received from `peer` now. With 0, its socket is not read.
    fn room(&self, peer: Peer) -> usize;

    /// `peer` has sent these bytes, at most [`room`](Self::room).
    fn received(&mut self, peer: Peer, bytes: &[u8]);

    /// `peer` has sent FIN.
    fn fin_received(&mut self, peer: Peer);

    /// The connection of `peer` was reset.
    fn reset_received(&mut self, peer: Peer);

    /// What is to be done with the socket of `peer`. The answer changes only by the other methods.
    fn output(&self, peer: Peer) -> Output<'_>;

    /// The socket of `peer` has taken the first `count` bytes of [`Output::Send`].
    fn sent(&mut self, peer: Peer, count: usize);

    /// FIN was sent to `peer`.
    fn fin_sent(&mut self, peer: Peer);
}
