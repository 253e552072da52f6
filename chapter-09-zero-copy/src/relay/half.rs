//! One direction of a session: from one socket's first byte to the other socket's FIN.
//!
//! Each step sends all that is held before it reads again, so no more than one pipe or one buffer is ever held, and a
//! destination that does not read stops the source. FIN is passed on when everything before it has been sent, not when
//! it arrives: a proxy that shut down at once would lose what is still in the pipe.
//!
//! A direction starts by copying. Once as many bytes as the policy says have arrived without a pause, it splices; after
//! a shorter burst, it copies again.

use std::{
    io,
    net::Shutdown,
    task::{Context, Poll, ready},
    time::Instant,
};

use common::http::Side;
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use super::{
    copy_buffer::CopyBuffer,
    direction::{Direction, SideError},
    mover::{Copied, MAX_BYTES_PER_POLL, Mover, is_transient, send},
    pipe_pool::PooledPipe,
};

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

impl Direction for Half {
    fn new(source_side: Side, first_bytes: Vec<u8>) -> Self {
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

    fn sent(&self) -> u64 {
        self.sent
    }

    fn waits_for_source(&self) -> bool {
        self.waits_for_source
    }

    fn poll(
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

    fn release_pipe(&mut self, mover: &Mover) {
        if let Held::InPipe(pipe) = std::mem::replace(&mut self.held, Held::Nothing) {
            mover.pipes().put(pipe);
        }
    }
}

impl Half {
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
            match destination.try_io(Interest::WRITABLE, || self.held.send_to(destination, mover)) {
                Ok(sent) => self.sent += sent as u64,
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
        if matches!(self.held, Held::Nothing)
            && let Some(pipe) = mover.pipe_for(self.burst.max(self.last_burst), now)
        {
            self.held = Held::InPipe(pipe);
        }
    }
    // ANCHOR_END: way

    /// Reads and sends without a pipe. What cannot be sent now is held.
    fn copy(&mut self, mover: &Mover, source: &TcpStream, destination: &TcpStream) -> io::Result<usize> {
        let Copied { received, sent, unsent } = mover.copy(source, destination)?;
        self.sent += sent as u64;
        if !unsent.is_empty() {
            self.held = Held::InUserSpace(unsent);
        }
        Ok(received)
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

    /// Sends once, and counts what was sent.
    fn send_to(&mut self, destination: &TcpStream, mover: &Mover) -> io::Result<usize> {
        match self {
            Self::Nothing => Ok(0),
            Self::InUserSpace(buffer) => {
                let sent = send(destination, buffer.unsent())?;
                mover.count_copied(sent);
                buffer.advance(sent);
                if buffer.is_empty() {
                    *self = Self::Nothing;
                }
                Ok(sent)
            }
            Self::InPipe(pipe) => {
                let sent = pipe.drain_to(destination)?;
                mover.count_spliced(sent);
                Ok(sent)
            }
        }
    }
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

    use super::{super::mover::SplicePolicy, *};

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
