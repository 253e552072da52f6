//! The socket below hyper: counted while it is open, and closed with a RST on request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::state::State;

/// Flags between a connection's service and its socket.
// Relaxed is enough: both run in one task.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Whether the latest request is one to `/_fault/*`.
    pub(crate) switching: AtomicBool,
    /// Whether the socket is to be closed with a RST.
    pub(crate) reset: AtomicBool,
}

/// The socket, counted while it is open. After an upgrade it outlives hyper's connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    link: Arc<Link>,
    state: Arc<State>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>, state: Arc<State>) -> Self {
        state.counters.opened();
        Self { stream, link, state }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.link.reset.load(Ordering::Relaxed) {
            // With zero linger close(2) sends RST instead of FIN.
            let _ = self.stream.set_zero_linger();
        }
        self.state.counters.closed();
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
