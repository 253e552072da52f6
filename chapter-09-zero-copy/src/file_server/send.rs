//! The bytes of a response, from its head to the end of its file.

use std::{
    cell::{Cell, RefCell},
    io::{self, ErrorKind},
    os::fd::{AsFd as _, AsRawFd as _},
    time::Duration,
};

use nix::sys::socket::{MsgFlags, send};
use tokio::{io::Interest, net::TcpStream, task::yield_now, time::timeout};

use super::{stats::WorkerStats, sys};
use crate::sendfile::{FileSender, Sent, TransferMethod};

/// How many bytes a connection may send before the worker serves others. A fast client empties its socket as quickly as
/// we fill it, so `sendfile` would go on to the end of the file. nginx has `sendfile_max_chunk` (2 MiB) for this.
const MAX_TURN_BYTES: usize = 512 * 1024;

/// A file of at most so many bytes, a page, is sent together with its head, and copied. `sendfile` would need a call of
/// its own, and to hand over a page costs more than to copy it.
pub(super) const SMALL_FILE_BYTES: u64 = 4 * 1024;

/// What a request without a body costs of a turn: about as much time as this many bytes. It bounds how many pipelined
/// requests are answered in one turn.
const REQUEST_COST_BYTES: usize = 16 * 1024;

/// With `MSG_MORE`, a head waits for the first bytes of its body, and both leave in one segment. `TCP_CORK` does the
/// same with two more system calls. Other systems have neither.
#[cfg(target_os = "linux")]
const MORE_FOLLOWS: MsgFlags = MsgFlags::from_bits_retain(nix::libc::MSG_MORE);
#[cfg(not(target_os = "linux"))]
const MORE_FOLLOWS: MsgFlags = MsgFlags::empty();

/// The turn of a connection: how much it may still send before others are served.
#[derive(Debug)]
pub(super) struct Turn {
    left: Cell<usize>,
    whole: usize,
}

impl Turn {
    /// A whole turn.
    pub(super) fn new() -> Self {
        Self::of(MAX_TURN_BYTES)
    }

    fn of(bytes: usize) -> Self {
        Self { left: Cell::new(bytes), whole: bytes }
    }

    /// The connection has waited, and others have been served meanwhile.
    pub(super) fn renew(&self) {
        self.left.set(self.whole);
    }

    /// Ends the turn if the next request would exceed it.
    pub(super) async fn charge_request(&self) {
        self.charge(REQUEST_COST_BYTES).await;
    }

    async fn charge(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_sub(bytes));
        if self.left.get() == 0 {
            // Not a wake-up of this task alone: the runtime then asks the poller for other connections only after 61
            // turns. After `yield_now` it does so as soon as the others that are ready have had theirs.
            yield_now().await;
            self.renew();
        }
    }
}

/// Where a response goes, and what sending it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sink<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) turn: &'a Turn,
    /// How long the client may acknowledge no byte.
    pub(super) timeout: Duration,
    pub(super) method: TransferMethod,
    /// The worker's buffer, for copying.
    pub(super) scratch: &'a RefCell<Box<[u8]>>,
    pub(super) stats: &'a WorkerStats,
}

impl Sink<'_> {
    /// Sends the head, which also has a local reply's body. `more_follows`: a file's bytes are sent next.
    pub(super) async fn send_head(self, mut head: &[u8], more_follows: bool) -> io::Result<()> {
        let flags = if more_follows { MORE_FOLLOWS } else { MsgFlags::empty() };
        while !head.is_empty() {
            let sent = self.write(|| Ok(send(self.stream.as_raw_fd(), head, flags)?)).await?;
            head = &head[sent..];
        }
        Ok(())
    }

    /// Sends the head and a small file by one call, as far as the socket takes them, and then the rest.
    ///
    /// # Errors
    /// As [`send_file`](Self::send_file).
    pub(super) async fn send_together(self, head: &[u8], file: &mut FileSender) -> io::Result<()> {
        let send = || file.send_with_head(head, self.stream.as_fd(), &mut self.scratch.borrow_mut());
        let (of_head, of_file) = self.write(send).await?;
        self.stats.count_body(Sent { bytes: of_file, method: TransferMethod::Copy });
        self.turn.charge(of_file).await;
        self.send_head(&head[of_head..], file.remaining() > 0).await?;
        self.send_file(file).await
    }

    // ANCHOR: send_file
    /// Sends what remains of a file, a turn at a time.
    ///
    /// # Errors
    /// As [`FileSender::send`], and `TimedOut`.
    pub(super) async fn send_file(self, file: &mut FileSender) -> io::Result<()> {
        while file.remaining() > 0 {
            let sent = self
                .write(|| {
                    let limit = self.turn.left.get();
                    file.send(self.stream.as_fd(), limit, self.method, &mut self.scratch.borrow_mut())
                })
                .await?;
            self.stats.count_body(sent);
            self.turn.charge(sent.bytes).await;
        }
        Ok(())
    }
    // ANCHOR_END: send_file

    /// Calls `write` until it does not block, waiting for the socket in between.
    async fn write<T>(self, mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match self.stream.try_io(Interest::WRITABLE, &mut write) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => return outcome,
            }
            self.turn.renew();
            self.wait_until_writable().await?;
        }
    }

    /// Waits for the socket, as long as the client takes bytes. To be writable is not enough of a sign for that: the
    /// kernel reports it once a third of its send buffer is free, which has grown to megabytes if the client was fast
    /// before. So what the client acknowledges counts.
    async fn wait_until_writable(self) -> io::Result<()> {
        let unacknowledged = || sys::unacknowledged_bytes(self.stream.as_fd());
        let mut before = unacknowledged();
        loop {
            if let Ok(writable) = timeout(self.timeout, self.stream.writable()).await {
                return writable;
            }
            let now = unacknowledged();
            if now.is_none() || now >= before {
                return Err(ErrorKind::TimedOut.into());
            }
            before = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        io::{Read as _, Seek as _, Write as _},
        net::TcpListener,
    };

    use tokio::runtime::Builder;

    use super::*;

    fn file(content: &[u8]) -> FileSender {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        FileSender::new(file, 0..content.len() as u64)
    }

    /// A connection over the loopback interface: our side, which does not block, and the peer's.
    fn connection() -> (std::net::TcpStream, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, _) = listener.accept().unwrap();
        own.set_nodelay(true).unwrap();
        own.set_nonblocking(true).unwrap();
        (own, peer)
    }

    /// Runs `work` once per method, with a sink whose turns are of so many bytes.
    fn with_sinks(turn_bytes: usize, mut work: impl AsyncFnMut(Sink<'_>, &mut std::net::TcpStream)) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for method in [TransferMethod::Sendfile, TransferMethod::Copy] {
                let (own, mut peer) = connection();
                let stream = TcpStream::from_std(own).unwrap();
                let (turn, stats, scratch) =
                    (Turn::of(turn_bytes), WorkerStats::default(), RefCell::new([0; 99].into()));
                let timeout = Duration::from_secs(10);
                let sink = Sink { stream: &stream, turn: &turn, timeout, method, scratch: &scratch, stats: &stats };
                work(sink, &mut peer).await;
            }
        });
    }

    /// A segment of the head alone would arrive at once: the loopback interface has no delay, and the socket no Nagle.
    #[test]
    fn a_head_waits_for_the_first_bytes_of_its_file() {
        with_sinks(MAX_TURN_BYTES, async |sink, peer| {
            sink.send_head(b"alone", false).await.unwrap();
            peer.read_exact(&mut [0; 5]).unwrap();
            sink.send_head(b"head, ", true).await.unwrap();
            if cfg!(target_os = "linux") {
                peer.set_nonblocking(true).unwrap();
                assert_eq!(
                    peer.read(&mut [0; 99]).unwrap_err().kind(),
                    ErrorKind::WouldBlock,
                    "the head is sent alone"
                );
                peer.set_nonblocking(false).unwrap();
            }
            sink.send_file(&mut file(b"file")).await.unwrap();
            let mut received = [0; 10];
            peer.read_exact(&mut received).unwrap();
            assert_eq!(&received, b"head, file");
        });
    }

    #[test]
    fn a_head_and_its_small_file_arrive_whole_whatever_the_buffer_takes() {
        with_sinks(MAX_TURN_BYTES, async |sink, peer| {
            // The buffer has 99 bytes.
            for length in [1_u8, 50, 95, 96, 200] {
                let content: Vec<u8> = (0..length).collect();
                sink.send_together(b"head", &mut file(&content)).await.unwrap();
                let mut received = vec![0; 4 + content.len()];
                peer.read_exact(&mut received).unwrap();
                assert!(received == [b"head", &content[..]].concat(), "{length}");
            }
        });
    }

    /// The socket takes all of the file at once, so only the turns interrupt.
    #[test]
    fn others_are_served_after_each_turn() {
        with_sinks(1_000, async |sink, peer| {
            let (mut file, mut polls) = (file(&[7; 10_000]), 0);
            let mut sending = Box::pin(sink.send_file(&mut file));
            let sent = poll_fn(|context| {
                polls += 1;
                sending.as_mut().poll(context)
            });
            sent.await.unwrap();
            assert!(polls > 10, "10 turns in {polls} polls");
            peer.read_exact(&mut [0; 10_000]).unwrap();
        });
    }
}
