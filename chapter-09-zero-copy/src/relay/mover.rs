//! What the relays of one worker share: its pipes, its scratch memory, and what they have moved.

use std::{
    cell::RefCell,
    io::{self, ErrorKind},
    os::fd::AsRawFd,
    sync::Arc,
    time::Instant,
};

use common::http::READ_BUFFER_BYTES;
use lb_metrics::single_writer::SingleWriter;
use nix::sys::socket::{MsgFlags, recv};
use tokio::{io::Interest, net::TcpStream};

use super::{
    copy_buffer::CopyBuffer,
    pipe_pool::{PipePool, PooledPipe},
};

/// How many bytes one poll moves at most: the worker's other connections have their turn then. It takes about as long as
/// 100 small requests.
pub(crate) const MAX_BYTES_PER_POLL: u64 = 1024 * 1024;

/// The bytes that one worker has sent. Only that worker writes them; any thread may read them.
#[derive(Debug, Default)]
#[repr(align(64))] // not on a cache line with another worker's
pub struct MovedBytes {
    /// Through a pipe.
    pub spliced: SingleWriter,
    /// Through user space.
    pub copied: SingleWriter,
}

/// When bytes go through a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplicePolicy {
    /// Never.
    Never,
    /// Once this many bytes have arrived without a pause. Below that, the system calls for a pipe cost more than the
    /// copy that they save.
    FromBytes(u64),
}

/// What [`Mover::copy`] has moved.
#[derive(Debug)]
pub struct Copied {
    /// How many bytes were received. 0: the source has sent FIN.
    pub received: usize,
    /// How many of them were sent.
    pub sent: usize,
    /// The others.
    pub unsent: CopyBuffer,
}

/// One worker's means to move bytes.
#[derive(Debug)]
pub struct Mover {
    pipes: PipePool,
    /// Bytes that are read and sent in the same poll.
    scratch: RefCell<Box<[u8]>>,
    policy: SplicePolicy,
    pub(super) moved: Arc<MovedBytes>,
}

impl Mover {
    /// Moves bytes as `policy` says, through pipes of `pipe_bytes`, and counts them in `moved`.
    pub fn new(pipe_bytes: usize, policy: SplicePolicy, moved: Arc<MovedBytes>) -> Self {
        let scratch = RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice());
        Self { pipes: PipePool::new(pipe_bytes), scratch, policy, moved }
    }

    /// Its pipes.
    pub fn pipes(&self) -> &PipePool {
        &self.pipes
    }

    /// How many bytes the worker has sent through pipes.
    pub(super) fn spliced(&self) -> u64 {
        self.moved.spliced.get()
    }

    /// An empty pipe, if the bytes of a burst that had `burst` bytes so far are to be spliced. `None`: they are to be
    /// copied, or there is no pipe to be had at `now`.
    pub fn pipe_for(&self, burst: u64, now: Instant) -> Option<PooledPipe> {
        let SplicePolicy::FromBytes(threshold) = self.policy else { return None };
        if burst >= threshold { self.pipes.take(now) } else { None }
    }

    /// Receives once into the worker's scratch memory, sends from there, and counts what was sent.
    ///
    /// # Errors
    /// `WouldBlock`: the source has no bytes. Others are the source's; one of the destination is found again when the
    /// rest is sent.
    pub fn copy(&self, source: &TcpStream, destination: &TcpStream) -> io::Result<Copied> {
        let mut scratch = self.scratch.borrow_mut();
        let mut received = 0;
        let read = source.try_io(Interest::READABLE, || {
            received = recv(source.as_raw_fd(), &mut scratch, MsgFlags::empty())?;
            // Fewer bytes than asked for: the socket is empty, and the next look waits, without another system call.
            if (1..scratch.len()).contains(&received) { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if received == 0 {
            return read.map(|()| Copied { received, sent: 0, unsent: CopyBuffer::default() });
        }
        let bytes = &scratch[..received];
        let sent = destination.try_io(Interest::WRITABLE, || send(destination, bytes)).unwrap_or(0);
        self.count_copied(sent);
        // `to_vec` of nothing allocates nothing.
        Ok(Copied { received, sent, unsent: CopyBuffer::new(bytes[sent..].to_vec()) })
    }

    /// This many bytes were sent from a pipe.
    pub fn count_spliced(&self, sent: usize) {
        self.moved.spliced.add(sent as u64);
    }

    /// This many bytes were sent from user space.
    pub fn count_copied(&self, sent: usize) {
        self.moved.copied.add(sent as u64);
    }
}

/// Whether the call is to be made again: once the socket is ready, or at once.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Sends once.
pub(super) fn send(to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(nix::sys::socket::send(to.as_raw_fd(), bytes, MsgFlags::empty())?)
}
