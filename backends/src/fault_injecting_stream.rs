//! The socket below hyper: counted while it is open, and closed with a RST under [`Fault::Reset`](crate::Fault::Reset).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::state::State;

/// Flags by which the service of a connection controls its socket.
// Relaxed is enough: both run in one task.
#[derive(Debug, Default)]
pub(crate) struct ConnectionFlags {
    /// Whether the latest request is one to `/_fault/*`.
    pub(crate) is_fault_request: AtomicBool,
    /// Whether the socket is to be closed with a RST.
    pub(crate) close_with_rst: AtomicBool,
}

/// The socket, counted while it is open. After an upgrade it outlives hyper's connection.
#[derive(Debug)]
pub(crate) struct FaultInjectingStream {
    stream: TcpStream,
    flags: Arc<ConnectionFlags>,
    state: Arc<State>,
}

impl FaultInjectingStream {
    pub(crate) fn new(stream: TcpStream, flags: Arc<ConnectionFlags>, state: Arc<State>) -> Self {
        state.counters.connection_opened();
        Self { stream, flags, state }
    }
}

impl Drop for FaultInjectingStream {
    fn drop(&mut self) {
        if self.flags.close_with_rst.load(Ordering::Relaxed) {
            // With zero linger close(2) sends RST instead of FIN.
            let _ = self.stream.set_zero_linger();
        }
        self.state.counters.connection_closed();
    }
}

impl AsyncRead for FaultInjectingStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for FaultInjectingStream {
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
