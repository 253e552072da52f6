//! Large bodies through pipes: what chapter 6's engine splices with.
//!
//! A body takes a pipe when its source has bytes, and gives it back when the source has none: a slow sender holds no
//! pipe. A slow reader does, with what it has not read. The relay says how many bytes may be read: those behind a body
//! are the next message's, and stay in the socket.

use std::{
    io,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use common::http::{ProxyError, Relay, SplicedBody};
use connection_pooling::splice::{ExchangeSockets, Splice, WorkerSplice};
use tokio::{io::Interest, net::TcpStream};

use crate::relay::{
    mover::{MAX_BYTES_PER_POLL, MovedBytes, SplicePolicy, is_transient},
    pipe_pool::{PipePool, PooledPipe},
};

/// Splices bodies as its policy says.
#[derive(Debug)]
pub struct PipeSplice {
    policy: SplicePolicy,
    pipe_bytes: usize,
    /// One per worker.
    moved: Vec<Arc<MovedBytes>>,
}

impl PipeSplice {
    /// For `workers` workers, through pipes of `pipe_bytes`.
    pub fn new(policy: SplicePolicy, pipe_bytes: usize, workers: NonZeroUsize) -> Self {
        Self { policy, pipe_bytes, moved: (0..workers.get()).map(|_| Arc::default()).collect() }
    }

    /// How many bytes went through pipes.
    pub fn spliced(&self) -> u64 {
        self.moved.iter().map(|moved| moved.spliced.get()).sum()
    }
}

impl Splice for PipeSplice {
    type Worker = WorkerPipes;

    fn for_worker(&self, worker_id: usize) -> WorkerPipes {
        WorkerPipes {
            policy: self.policy,
            pipes: PipePool::new(self.pipe_bytes),
            moved: Arc::clone(&self.moved[worker_id]),
        }
    }
}

/// The pipes of one worker.
#[derive(Debug)]
pub struct WorkerPipes {
    policy: SplicePolicy,
    pipes: PipePool,
    moved: Arc<MovedBytes>,
}

impl WorkerSplice for WorkerPipes {
    type State = Option<PooledPipe>;

    fn threshold(&self) -> Option<u64> {
        match self.policy {
            SplicePolicy::Never => None,
            SplicePolicy::FromBytes(threshold) => Some(threshold),
        }
    }

    fn poll(
        &self,
        pipe: &mut Self::State,
        relay: &mut Relay,
        sockets: ExchangeSockets<'_>,
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ProxyError>> {
        // ANCHOR: poll
        let mut moved = 0;
        while let Some(body) = relay.spliced_body() {
            if body.in_pipe > 0 {
                let pipe = pipe.as_mut().expect("the relay counts the bytes of this pipe");
                let sent = match ready!(poll_drain(pipe, sockets.of(body.destination()), context)) {
                    Ok(sent) => sent as u64,
                    Err(error) => return Poll::Ready(relay.splice_failed(body.destination(), error)),
                };
                self.moved.spliced.add(sent);
                moved += sent;
                relay.splice_drained(sent);
            } else if moved >= MAX_BYTES_PER_POLL {
                context.waker().wake_by_ref();
                return Poll::Pending;
            } else {
                match ready!(self.poll_fill(pipe, body, sockets.of(body.source), now, context)) {
                    // No pipe, or FIN: the pump copies the rest, or finds the FIN too.
                    Ok(0) => relay.stop_splicing(),
                    Ok(filled) => relay.splice_filled(filled as u64),
                    Err(error) => return Poll::Ready(relay.splice_failed(body.source, error)),
                }
            }
        }
        Poll::Ready(Ok(()))
        // ANCHOR_END: poll
    }

    fn reset(&self, pipe: &mut Self::State) {
        if let Some(pipe) = pipe.take() {
            self.pipes.put(pipe);
        }
    }

    fn free_descriptor(&self) -> bool {
        self.pipes.close_one()
    }
}

impl WorkerPipes {
    /// Fills an empty pipe once, with bytes of `body`. While the source has none, no pipe is held. 0: the source has sent
    /// FIN, or there is no pipe to be had.
    fn poll_fill(
        &self,
        held: &mut Option<PooledPipe>,
        body: SplicedBody,
        source: &TcpStream,
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        // What is left in the pipe belongs to an upload that was answered early: the pool closes such a pipe.
        if held.as_ref().is_some_and(|pipe| !pipe.is_empty()) {
            self.reset(held);
        }
        loop {
            let Poll::Ready(readable) = source.poll_read_ready(context) else {
                self.reset(held);
                return Poll::Pending;
            };
            readable?;
            if held.is_none() {
                *held = self.pipes.take(now);
            }
            let Some(pipe) = held else { return Poll::Ready(Ok(0)) };
            let max = usize::try_from(body.remaining).unwrap_or(usize::MAX);
            match source.try_io(Interest::READABLE, || pipe.fill_up_to(max, source)) {
                Err(error) if is_transient(&error) => {} // not ready any more: the next look waits
                filled => return Poll::Ready(filled),
            }
        }
    }
}

/// Sends from `pipe` once.
fn poll_drain(pipe: &mut PooledPipe, destination: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    loop {
        ready!(destination.poll_write_ready(context))?;
        match destination.try_io(Interest::WRITABLE, || pipe.drain_to(destination)) {
            Err(error) if is_transient(&error) => {}
            sent => return Poll::Ready(sent),
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{future::poll_fn, time::SystemTime};

    use common::{
        clock,
        http::{ClientAddress, Forwarding, Head, HttpDate, Input, ProxyRole, Side, Wire, pump},
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        runtime::{Builder, LocalOptions},
    };

    use super::*;

    fn date() -> HttpDate {
        SystemTime::UNIX_EPOCH.into()
    }

    /// A socket whose peer reads at once, and sends nothing.
    struct TakesAll;

    impl Wire for TakesAll {
        fn recv(&mut self, _into: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn send(&mut self, from: &[io::IoSlice<'_>]) -> io::Result<usize> {
            Ok(from.iter().map(|part| part.len()).sum())
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (peer, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (peer.unwrap(), accepted.unwrap().0)
    }

    /// A relay of a download whose head has been sent, and of whose body `length` bytes are to come.
    fn relay_of_a_download(length: usize) -> Relay {
        let forwarding = Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: "p".into(),
            scheme: "http",
            trusted_proxies: Vec::new(),
            backend_keep_alive: true,
        };
        let (peer, local) = ("192.0.2.1".parse().unwrap(), "192.0.2.9:8080".parse().unwrap());
        let (mut head, bytes) = (Head::new(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        head.read_request(bytes, &mut 0).unwrap().unwrap();
        let mut relay = Relay::new();
        relay.begin(head.view(bytes), &forwarding, &ClientAddress::new(peer, local, &forwarding), 1).unwrap();
        relay.splice_bodies_from(0);
        relay.attempt(false);
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        relay.from_backend(Input::Bytes(response.as_bytes()), &mut date).unwrap();
        relay
    }

    #[test]
    fn what_an_abandoned_upload_left_in_the_pipe_reaches_nobody() {
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(async {
            let splice = PipeSplice::new(SplicePolicy::FromBytes(0), 65_536, NonZeroUsize::MIN).for_worker(0);
            let ((mut uploader, source), (mut server, backend)) = (connected().await, connected().await);
            let mut pipe = splice.pipes.take(clock::now()).unwrap();
            uploader.write_all(b"of an upload").await.unwrap();
            source.readable().await.unwrap();
            pipe.fill_from(&source).unwrap();

            let (mut state, mut relay) = (Some(pipe), relay_of_a_download(4));
            assert_eq!(relay.spliced_body().map(|body| body.source), None, "the head has to be sent first");
            let (client, mut receiver) = connected().await;
            pump(&mut relay, &mut TakesAll, &mut TakesAll, &mut [0; 64], date).unwrap();
            assert_eq!(relay.spliced_body().map(|body| (body.source, body.in_pipe)), Some((Side::Backend, 0)));
            server.write_all(b"bodyNEXT").await.unwrap();
            let sockets = ExchangeSockets { client: &client, backend: &backend };
            poll_fn(|context| splice.poll(&mut state, &mut relay, sockets, clock::now(), context)).await.unwrap();
            drop(client);
            let mut arrived = Vec::new();
            receiver.read_to_end(&mut arrived).await.unwrap();
            assert_eq!(arrived, b"body");
            splice.reset(&mut state);
            assert_eq!(splice.pipes.len(), 1, "an empty pipe goes back");
        });
    }
}
