//! One direction of a session: from one socket's first byte to the other socket's FIN.
//!
//! Each step sends all that is held before it reads again, so no more than one pipe or one buffer is ever held, and a
//! destination that does not read stops the source. FIN is passed on when everything before it has been sent, not when
//! it arrives: a proxy that shut down at once would lose what is still in the pipe.
//!
//! A direction starts by copying. Once as many bytes as the policy says have arrived without a pause, it splices; after
//! a shorter burst, it copies again.

use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    os::fd::AsRawFd,
    task::{Context, Poll, ready},
    time::Instant,
};

use common::http::Side;
use lb_metrics::single_writer::SingleWriter;
use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use super::{
    copy_buffer::CopyBuffer,
    mover::{Mover, SplicePolicy},
    pipe_pool::PooledPipe,
};

/// How many bytes one poll moves at most: the other sessions of the worker have their turn then. It takes about as long
/// as 100 small requests.
const MAX_BYTES_PER_POLL: u64 = 1024 * 1024;

/// What was read and not yet sent.
#[derive(Debug)]
enum Held {
    Nothing,
    InUserSpace(CopyBuffer),
    InPipe(PooledPipe),
}

/// How far a direction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The source may send more.
    Open,
    /// The source has sent FIN; what is held has yet to be sent.
    SourceEnded,
    /// FIN has been passed on.
    Finished,
}

/// One direction.
#[derive(Debug)]
pub struct Half {
    /// The side that it reads from.
    source_side: Side,
    held: Held,
    stage: Stage,
    /// Bytes since the source last had none.
    burst: u64,
    /// The bytes of the burst before.
    last_burst: u64,
    sent: u64,
    waits_for_source: bool,
}

/// A socket has failed: it was reset, or closed while bytes were on their way to it.
#[derive(Debug)]
pub struct SideError {
    /// The socket of this side.
    pub side: Side,
    /// The error of the operating system.
    pub error: io::Error,
}

impl Half {
    /// From the socket of `source_side` to that of the other side, which gets `first_bytes` before those of the source.
    pub fn new(source_side: Side, first_bytes: Vec<u8>) -> Self {
        Self {
            source_side,
            held: if first_bytes.is_empty() { Held::Nothing } else { Held::InUserSpace(CopyBuffer::new(first_bytes)) },
            stage: Stage::Open,
            burst: 0,
            last_burst: 0,
            sent: 0,
            waits_for_source: false,
        }
    }

    /// How many bytes have been sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether the task waits for bytes of the source, and so for its reset too.
    pub fn waits_for_source(&self) -> bool {
        self.waits_for_source
    }

    /// Moves what can be moved now from `source` to `destination`. Ready when FIN has been passed on; otherwise the task
    /// is woken when more can be moved.
    ///
    /// # Errors
    /// One of the sockets has failed.
    pub fn poll(
        &mut self,
        mover: &Mover,
        (source, destination): (&TcpStream, &TcpStream),
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SideError>> {
        // ANCHOR: loop
        let stop_at = self.sent + MAX_BYTES_PER_POLL;
        self.waits_for_source = false;
        loop {
            let flushed = ready!(self.poll_flush(mover, destination, context));
            flushed.map_err(|error| SideError { side: self.destination_side(), error })?;
            match self.stage {
                Stage::Open if self.sent >= stop_at => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Open => {
                    let filled = ready!(self.poll_fill(mover, (source, destination), now, context));
                    filled.map_err(|error| SideError { side: self.source_side, error })?;
                }
                Stage::SourceEnded => {
                    // Fails only if the socket is closed already: then its own direction reports it.
                    let _ = SockRef::from(destination).shutdown(Shutdown::Write);
                    self.stage = Stage::Finished;
                }
                Stage::Finished => return Poll::Ready(Ok(())),
            }
        }
        // ANCHOR_END: loop
    }

    fn destination_side(&self) -> Side {
        if self.source_side == Side::Client { Side::Backend } else { Side::Client }
    }

    /// Sends all that is held.
    fn poll_flush(
        &mut self,
        mover: &Mover,
        destination: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            ready!(destination.poll_write_ready(context))?;
            let counter = self.held.counter(mover);
            match destination.try_io(Interest::WRITABLE, || self.held.send_to(destination)) {
                Ok(sent) => self.count(sent, counter),
                Err(error) if is_transient(&error) => {} // not ready any more: the next look waits
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once; nothing is held. Without bytes the task waits for the source, and holds no pipe meanwhile.
    fn poll_fill(
        &mut self,
        mover: &Mover,
        (source, destination): (&TcpStream, &TcpStream),
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let Poll::Ready(ready) = source.poll_read_ready(context) else {
                (self.last_burst, self.burst) = (self.burst, 0);
                self.waits_for_source = true;
                self.release_pipe(mover);
                return Poll::Pending;
            };
            ready?;
            self.choose_way(mover, now);
            let read = match &mut self.held {
                Held::InPipe(pipe) => source.try_io(Interest::READABLE, || pipe.fill_from(source)),
                _ => self.copy(mover, source, destination),
            };
            match read {
                Ok(0) => {
                    self.release_pipe(mover);
                    self.stage = Stage::SourceEnded;
                    return Poll::Ready(Ok(()));
                }
                Ok(read) => {
                    self.burst += read as u64;
                    return Poll::Ready(Ok(()));
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    // ANCHOR: way
    /// Takes a pipe if the bytes are to be spliced from now on.
    fn choose_way(&mut self, mover: &Mover, now: Instant) {
        let SplicePolicy::FromBytes(threshold) = mover.policy else { return };
        if matches!(self.held, Held::Nothing)
            && self.burst.max(self.last_burst) >= threshold
            && let Some(pipe) = mover.pipes.take(now)
        {
            self.held = Held::InPipe(pipe);
        }
    }
    // ANCHOR_END: way

    /// Reads into the worker's scratch memory, and sends from there. What cannot be sent now is held.
    fn copy(&mut self, mover: &Mover, source: &TcpStream, destination: &TcpStream) -> io::Result<usize> {
        let mut scratch = mover.scratch.borrow_mut();
        let mut received = 0;
        let read = source.try_io(Interest::READABLE, || {
            received = recv(source.as_raw_fd(), &mut scratch, MsgFlags::empty())?;
            // Fewer bytes than asked for: the socket is empty, and the next look waits, without another system call.
            if (1..scratch.len()).contains(&received) { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if received == 0 {
            return read.map(|()| 0);
        }
        let bytes = &scratch[..received];
        // An error is found again when what is held is sent.
        let sent = destination.try_io(Interest::WRITABLE, || send(destination, bytes)).unwrap_or(0);
        self.count(sent, &mover.moved.copied);
        if sent < received {
            self.held = Held::InUserSpace(CopyBuffer::new(bytes[sent..].to_vec()));
        }
        Ok(received)
    }

    fn count(&mut self, sent: usize, counter: &SingleWriter) {
        let sent = sent as u64;
        self.sent += sent;
        counter.add(sent);
    }

    /// Returns the pipe, if it has one. With bytes in it, the pipe is closed.
    pub fn release_pipe(&mut self, mover: &Mover) {
        if let Held::InPipe(pipe) = std::mem::replace(&mut self.held, Held::Nothing) {
            mover.pipes.put(pipe);
        }
    }
}

impl Held {
    fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::InUserSpace(buffer) => buffer.is_empty(),
            Self::InPipe(pipe) => pipe.is_empty(),
        }
    }

    fn send_to(&mut self, destination: &TcpStream) -> io::Result<usize> {
        match self {
            Self::Nothing => Ok(0),
            Self::InUserSpace(buffer) => {
                let sent = send(destination, buffer.unsent())?;
                buffer.advance(sent);
                if buffer.is_empty() {
                    *self = Self::Nothing;
                }
                Ok(sent)
            }
            Self::InPipe(pipe) => pipe.drain_to(destination),
        }
    }

    /// What counts the bytes that are held here.
    fn counter<'m>(&self, mover: &'m Mover) -> &'m SingleWriter {
        if matches!(self, Self::InPipe(_)) { &mover.moved.spliced } else { &mover.moved.copied }
    }
}

fn send(to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(nix::sys::socket::send(to.as_raw_fd(), bytes, MsgFlags::empty())?)
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Arc};

    use common::clock;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        runtime::{Builder, LocalOptions},
        task::spawn_local,
    };

    use super::*;

    async fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    fn with_mover(pipe_bytes: usize, policy: SplicePolicy, case: impl AsyncFnOnce(&Mover)) {
        let mover = Mover::new(pipe_bytes, policy, Arc::default());
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(case(&mover));
    }

    /// Relays `length` bytes after some that were there before, and FIN, to a reader that reads a little at a time.
    async fn relay(mover: &Mover, length: usize) {
        let ((mut sender, source), (destination, mut receiver)) = (connected().await, connected().await);
        let sent: Vec<u8> = (0..length).map(|index| index.to_le_bytes()[index % 3]).collect();
        let mut half = Half::new(Side::Client, b"before".to_vec());
        let expected = [b"before", &sent[..]].concat();
        let sending = spawn_local(async move {
            for piece in sent.chunks(30_011) {
                sender.write_all(piece).await.unwrap();
            }
        });
        let receiving = spawn_local(async move {
            let (mut arrived, mut piece) = (Vec::new(), vec![0; 10_007]);
            while let length @ 1.. = receiver.read(&mut piece).await.unwrap() {
                arrived.extend_from_slice(&piece[..length]);
                tokio::task::yield_now().await;
            }
            arrived
        });
        let now = clock::now();
        let relayed = poll_fn(|context| half.poll(mover, (&source, &destination), now, context)).await;
        assert!(relayed.is_ok());
        assert_eq!(half.sent(), expected.len() as u64);
        sending.await.unwrap();
        assert!(receiving.await.unwrap() == expected, "bytes were changed");
    }

    #[test]
    fn all_bytes_arrive_and_then_fin_whatever_the_pipe() {
        for pipe_bytes in [4_096, 16_384, 65_536, 1 << 20] {
            with_mover(pipe_bytes, SplicePolicy::FromBytes(0), async |mover| {
                relay(mover, 1_500_000).await;
                assert_eq!(mover.moved.copied.get(), 6, "only what was there before");
                assert_eq!(mover.pipes().len(), 1, "the pipe is back");
            });
        }
        with_mover(4_096, SplicePolicy::Never, async |mover| {
            relay(mover, 1_500_000).await;
            assert_eq!(mover.moved.spliced.get(), 0);
        });
        // From one way to the other in between.
        with_mover(65_536, SplicePolicy::FromBytes(100_000), async |mover| relay(mover, 1_500_000).await);
    }

    #[test]
    fn a_source_without_bytes_holds_no_pipe_and_a_task_that_waits_is_not_polled() {
        with_mover(65_536, SplicePolicy::FromBytes(0), async |mover| {
            let ((mut sender, source), (destination, mut receiver)) = (connected().await, connected().await);
            let (mut half, mut polls) = (Half::new(Side::Client, Vec::new()), 0);
            let now = clock::now();
            let relaying = poll_fn(|context| {
                polls += 1;
                half.poll(mover, (&source, &destination), now, context)
            });
            let talking = async {
                for byte in 0..10 {
                    sender.write_all(&[byte]).await.unwrap();
                    assert_eq!(receiver.read_u8().await.unwrap(), byte);
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    assert_eq!(mover.pipes().len(), 1);
                }
                drop(sender);
                assert_eq!(receiver.read(&mut [0]).await.unwrap(), 0, "FIN");
            };
            let (relayed, ()) = tokio::join!(relaying, talking);
            assert!(relayed.is_ok());
            // Each byte and the FIN wake the task once; `join!` polls both when it is woken.
            assert!(polls < 60, "{polls} polls: it does not wait");
        });
    }
}
