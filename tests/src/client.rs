//! A strict client on a raw socket: it sends exactly the given bytes and never retries.

use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;

use crate::checker::{BodySummary, Fields, Framing, ReadError, Reader, ResponseHead};
use crate::wait::{TEST_TIMEOUT, pause};

/// A complete response as the client received it.
#[derive(Debug, Clone)]
pub struct Response {
    /// The interim responses before it.
    pub interim: Vec<ResponseHead>,
    /// The final head.
    pub head: ResponseHead,
    /// How the body was delimited.
    pub framing: Framing,
    /// The content, without chunk framing.
    pub body: Vec<u8>,
    /// How the body ended.
    pub end: BodySummary,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The header section.
    pub fn fields(&self) -> &Fields {
        &self.head.fields
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One client connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    reader: Reader<TcpStream>,
}

impl Client {
    /// Connects; every read waits at most [`TEST_TIMEOUT`].
    pub fn connect(addr: SocketAddr) -> Self {
        Self::try_connect(addr).unwrap_or_else(|error| panic!("connect {addr}: {error}"))
    }

    /// Connects, or returns the error.
    pub fn try_connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, TEST_TIMEOUT)?;
        Self::over(stream)
    }

    /// A client with a receive buffer of `bytes`, set before connecting, which determines the TCP window.
    pub fn connect_with_recv_buffer(addr: SocketAddr, bytes: usize) -> Self {
        let domain = socket2::Domain::for_address(addr);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        socket.connect_timeout(&addr.into(), TEST_TIMEOUT).unwrap();
        Self::over(socket.into()).unwrap()
    }

    /// A client with its own source address: all of 127.0.0.0/8 belongs to this machine.
    pub fn connect_from(source: IpAddr, addr: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap_or_else(|error| panic!("bind {source}: {error}"));
        socket.connect_timeout(&addr.into(), TEST_TIMEOUT).unwrap_or_else(|error| panic!("connect {addr}: {error}"));
        Self::over(socket.into()).unwrap()
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TEST_TIMEOUT))?;
        stream.set_write_timeout(Some(TEST_TIMEOUT))?;
        let reader = Reader::new(stream.try_clone()?);
        Ok(Self { stream, reader })
    }

    /// Sets the read timeout.
    pub fn set_read_timeout(&mut self, within: Duration) {
        self.stream.set_read_timeout(Some(within)).unwrap();
    }

    /// Our own address, which the balancer should report.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).unwrap_or_else(|error| panic!("send: {error}"));
    }

    /// Sends these bytes, or returns the error: a peer that rejects a request may stop reading.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends each piece as its own segment, `between` apart; stops when the peer has closed.
    pub fn send_pieces<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>, between: Duration) {
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                pause(between);
            }
            if self.try_send(piece).is_err() {
                return;
            }
        }
    }

    /// Sends a request without a body for `target`, with `extra` header lines that each end in CRLF.
    pub fn request(&mut self, method: &str, target: &str, extra: &str) {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{extra}\r\n"));
    }

    /// Sends a GET and reads its response.
    pub fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, "");
        self.response("GET")
    }

    /// Reads the response to a request made with `method`; panics when it breaks a rule.
    pub fn response(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap_or_else(|error| panic!("response to {method}: {error:?}"))
    }

    /// Reads the response to a request made with `method`.
    pub fn try_response(&mut self, method: &str) -> Result<Response, ReadError> {
        let mut body = Vec::new();
        let mut response = self.response_into(method, &mut |piece| body.extend_from_slice(piece))?;
        response.body = body;
        Ok(response)
    }

    /// Reads a response and passes its body to `sink`, for bodies that should not be buffered.
    pub fn response_into(&mut self, method: &str, sink: &mut dyn FnMut(&[u8])) -> Result<Response, ReadError> {
        let (interim, head, framing) = self.response_head(method)?;
        let end = self.reader.body(framing, sink)?;
        Ok(Response { interim, head, framing, body: Vec::new(), end })
    }

    /// Reads interim heads and the final one, not the body.
    pub fn response_head(&mut self, method: &str) -> Result<(Vec<ResponseHead>, ResponseHead, Framing), ReadError> {
        let mut interim = Vec::new();
        loop {
            let head = self.reader.response_head()?;
            let framing = head.framing(method)?;
            if head.status >= 200 || head.status == 101 {
                return Ok((interim, head, framing));
            }
            interim.push(head);
        }
    }

    /// The strict reader, for messages that arrive piece by piece.
    pub fn reader(&mut self) -> &mut Reader<TcpStream> {
        &mut self.reader
    }

    /// Reads exactly `length` bytes of any content: a tunnel, or a body in steps.
    pub fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut got = Vec::new();
        self.reader
            .body(Framing::Length(length as u64), &mut |piece| got.extend_from_slice(piece))
            .unwrap_or_else(|error| panic!("{length} bytes: {error:?} after {}", got.len()));
        got
    }

    /// Reads until the peer closes, with FIN or RST; `None` when it does not.
    pub fn read_until_closed(&mut self, within: Duration) -> Option<Vec<u8>> {
        self.set_read_timeout(within);
        loop {
            match self.reader.fill() {
                Ok(0) => return Some(self.reader.take_buffered()),
                Ok(_) => {}
                Err(error) => match ReadError::from(error) {
                    ReadError::Reset => return Some(self.reader.take_buffered()),
                    _ => return None,
                },
            }
        }
    }

    /// Asserts that the peer closes without another byte.
    pub fn expect_closed(&mut self) {
        match self.read_until_closed(TEST_TIMEOUT) {
            Some(rest) => assert!(rest.is_empty(), "stray bytes: {}", rest.escape_ascii()),
            None => panic!("the connection stays open"),
        }
    }

    /// Asserts that for this time neither a byte nor the end of the stream arrives.
    pub fn expect_no_input(&mut self, during: Duration) {
        self.set_read_timeout(during);
        match self.reader.fill() {
            Err(error) => match ReadError::from(error) {
                ReadError::TimedOut => self.set_read_timeout(TEST_TIMEOUT),
                error => panic!("expected silence, got {error:?}"),
            },
            Ok(_) => panic!("expected silence: {:?}", self.reader.buffered().escape_ascii()),
        }
    }

    /// Whether unread bytes or the end of the stream have arrived. Does not block.
    pub fn has_unread_input(&mut self) -> bool {
        let at_once = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        !self.reader.buffered().is_empty() || recv(self.stream.as_raw_fd(), &mut [0], at_once) != Err(Errno::EAGAIN)
    }

    /// Closes the sending direction: FIN.
    pub fn half_close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection with a RST.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The socket, for a second thread.
    pub fn stream(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }
}
