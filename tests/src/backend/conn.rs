//! One connection of a scripted backend: the operations of a script.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use super::recording::{Recorder, Shared};
use crate::checker::{BodySummary, Framing, ReadError, Reader, RequestHead};

/// The read and write timeout of a script.
const SCRIPT_TIMEOUT: Duration = Duration::from_mins(1);

/// A request as a script reads it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The head.
    pub head: RequestHead,
    /// The content, without chunk framing.
    pub body: Vec<u8>,
    /// How the body ended.
    pub end: BodySummary,
}

/// An accepted connection. Dropped: closed, with a RST if bytes are left unread.
#[derive(Debug)]
pub struct Conn {
    /// The index of the connection, from 0.
    pub index: usize,
    open: Option<(Arc<TcpStream>, Reader<Recorder>)>,
}

impl Conn {
    pub(super) fn new(index: usize, stream: Arc<TcpStream>, shared: Shared, max_recorded_bytes: usize) -> Self {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(SCRIPT_TIMEOUT));
        let _ = stream.set_write_timeout(Some(SCRIPT_TIMEOUT));
        let recorder = Recorder { stream: Arc::clone(&stream), index, shared, max_recorded_bytes };
        Self { index, open: Some((stream, Reader::new(recorder))) }
    }

    /// The strict reader over what the balancer sends.
    ///
    /// # Panics
    /// When the script has closed the connection.
    pub fn reader(&mut self) -> &mut Reader<Recorder> {
        &mut self.open.as_mut().expect("the script has not closed").1
    }

    /// The socket.
    ///
    /// # Panics
    /// When the script has closed the connection.
    pub fn stream(&self) -> &TcpStream {
        &self.open.as_ref().expect("the script has not closed").0
    }

    /// Reads a request head.
    pub fn head(&mut self) -> Result<RequestHead, ReadError> {
        self.reader().request_head()
    }

    /// Reads a complete request.
    pub fn request(&mut self) -> Result<Request, ReadError> {
        let head = self.head()?;
        let mut body = Vec::new();
        let end = self.body(head.framing, &mut |piece| body.extend_from_slice(piece))?;
        Ok(Request { head, body, end })
    }

    /// Reads a body and passes each piece to `sink`.
    pub fn body(&mut self, framing: Framing, sink: &mut dyn FnMut(&[u8])) -> Result<BodySummary, ReadError> {
        self.reader().body(framing, sink)
    }

    /// Sends bytes; `false` if the peer is gone, which is no error of the script.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream().write_all(bytes.as_ref()).is_ok()
    }

    /// Reads until the balancer closes or resets.
    pub fn read_until_closed(&mut self) {
        while matches!(self.reader().fill(), Ok(1..)) {
            self.reader().take_buffered();
        }
    }

    /// Sends FIN and can still read.
    pub fn half_close(&mut self) {
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// Closes. Unread bytes in the socket make this a RST, as in any server.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// Whether the script has closed it.
    pub fn is_closed(&self) -> bool {
        self.open.is_none()
    }

    /// Closes with a RST.
    pub fn reset(&mut self) {
        let _ = SockRef::from(self.stream()).set_linger(Some(Duration::ZERO));
        self.open = None;
    }
}
