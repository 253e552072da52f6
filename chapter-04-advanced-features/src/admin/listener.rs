//! A listener that bounds how many connections are open, and for how long.
//!
//! A client that sends half a request, or reads a response byte by byte, holds a connection, and with it a response in
//! memory. On loopback that is the operator's own affair; chapter 8 serves metrics on any address. So there are at most
//! [`MAX_CONNECTIONS`], and each ends after [`MAX_LIFETIME`], whatever it is doing: a scraper reconnects.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

/// Connections at a time. Further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 32;
/// More than any request here may take. Streams end before, by themselves.
pub(super) const MAX_LIFETIME: Duration = Duration::from_mins(1);
/// How long accepting pauses after an error, such as no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections while fewer than [`MAX_CONNECTIONS`] are open.
#[derive(Debug)]
pub(super) struct BoundedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    max_lifetime: Duration,
}

/// A connection that counts as open until this is dropped, and fails once its time is over.
#[derive(Debug)]
pub(super) struct BoundedStream {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl BoundedListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self::with_limits(listener, MAX_CONNECTIONS, MAX_LIFETIME)
    }

    fn with_limits(listener: TcpListener, max_connections: usize, max_lifetime: Duration) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(max_connections)), max_lifetime }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let deadline = Box::pin(sleep(self.max_lifetime));
                    return (BoundedStream { stream, deadline, _permit: permit }, peer);
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl BoundedStream {
    /// The stream, unless its time is over. The task is woken when it is.
    fn poll_stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        runtime::Builder,
        time::timeout,
    };

    use super::*;

    async fn listener(max_connections: usize, max_lifetime: Duration) -> (BoundedListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (BoundedListener::with_limits(listener, max_connections, max_lifetime), address)
    }

    #[test]
    fn a_connection_beyond_the_limit_waits_until_another_has_closed() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut listener, address) = listener(1, MAX_LIFETIME).await;
            let _clients = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
            let first = listener.accept().await;
            let second = timeout(Duration::from_millis(20), listener.accept()).await;
            assert!(second.is_err(), "there are two");
            drop(first);
            timeout(Duration::from_secs(10), listener.accept()).await.unwrap();
        });
    }

    #[test]
    fn a_connection_ends_when_its_time_is_over_whether_it_reads_or_writes() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut listener, address) = listener(2, Duration::from_millis(20)).await;
            let _clients = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
            let (mut silent, _) = listener.accept().await;
            let read = timeout(Duration::from_secs(10), silent.read(&mut [0])).await.unwrap();
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
            let (mut stalled, _) = listener.accept().await;
            let written = timeout(Duration::from_secs(10), stalled.write_all(&vec![0; 64 << 20])).await.unwrap();
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        });
    }
}
