//! What the exercises, their checks and the solutions share.

use std::{
    fs::File,
    io,
    ops::Range,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use zero_copy::{
    proxy_protocol::ProxyHeader,
    udp::{drop_reason::DropReason, flow_table::FlowKey},
};

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

/// A version of a file. (Exercise 9.5.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileVersion<'f> {
    /// Its length in bytes.
    pub size: u64,
    /// Its entity tag as `ETag` has it: `"a"`, or `W/"a"` if it is a weak one.
    pub entity_tag: &'f str,
}

/// What a response with a file depends on. (Exercise 9.5.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeResponse {
    /// 200, 206 or 416.
    pub status: u16,
    /// The value of `Content-Range`; none with 200.
    pub content_range: Option<String>,
    /// The bytes of the file in the body; none with 416.
    pub body: Range<u64>,
}

/// Whether a cached DNS response may still be sent. (Exercise 9.6.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It may, with the time to live that is left.
    Fresh,
    /// A record of it has reached its time to live: ask the server again.
    Expired,
}

/// The bytes are no DNS response. (Exercise 9.6.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What bounds the flows of a table. (Exercise 9.7.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// How long a flow lasts without a datagram in either direction.
    pub timeout: Duration,
    /// The most flows in total.
    pub max_flows: usize,
    /// The most flows of an IPv4 address or an IPv6 /64 network. An IPv4-mapped IPv6 address is an IPv4 address.
    pub max_flows_per_source: usize,
}

/// The flows of a balancer of datagrams, without sockets and without a clock: `now` is an argument, and never decreases.
/// (Exercise 9.7.)
pub trait Flows {
    /// A client has sent a datagram. Its flow is renewed, or begins. Returns the number of the backend that gets the
    /// datagram: the flow's own, or one from `pick`, if the flow is new or its backend was unreachable. `pick` is called
    /// at most once, and only if its backend is then used.
    ///
    /// # Errors
    /// The datagram is dropped.
    /// - `MaxFlowsPerSource`, or else `MaxFlows`: it would have begun a flow beyond the limit.
    /// - `NoBackend`: `pick` has returned `None`. A new flow has not begun; one that exists goes on without a backend.
    fn on_client(
        &mut self,
        key: FlowKey,
        now: Instant,
        pick: &mut dyn FnMut() -> Option<usize>,
    ) -> Result<usize, DropReason>;

    /// The flow's backend has sent a datagram. Renews the flow. `false`: there is none, so the datagram has no client.
    fn on_backend(&mut self, key: &FlowKey, now: Instant) -> bool;

    /// An ICMP message: the flow's backend is unreachable. The flow goes on; its next datagram gets another backend.
    fn on_unreachable(&mut self, key: &FlowKey);

    /// Ends a flow whose last datagram is as old as the time-out, or older: the one that was renewed first. The caller
    /// repeats that until there is none. A flow ends in no other way.
    fn expire(&mut self, now: Instant) -> Option<FlowKey>;

    /// The earliest time at which [`expire`](Self::expire) returns a flow; `None` without flows.
    fn next_expiry(&self) -> Option<Instant>;

    /// How many flows there are.
    fn flows(&self) -> usize;

    /// How many sources the table remembers.
    fn sources(&self) -> usize;
}
