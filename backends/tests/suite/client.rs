//! A minimal client: one connection, raw requests, responses read by their framing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The time limit of every read in this suite.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends `line` (`GET /`) with a body, if it has one.
    pub(crate) fn request(&mut self, line: &str, body: &[u8]) -> Response {
        let length = match body.len() {
            0 => String::new(),
            len => format!("Content-Length: {len}\r\n"),
        };
        // Head and body in separate writes: the body need not have arrived when the head is read.
        self.send(format!("{line} HTTP/1.1\r\nHost: test\r\n{length}\r\n"));
        self.send(body);
        self.read_response(!line.starts_with("HEAD "))
    }

    pub(crate) fn read_response(&mut self, has_body: bool) -> Response {
        let mut response = self.read_head().unwrap();
        if !has_body || matches!(response.status, 100..=199 | 204 | 304) {
            return response;
        }
        if let Some(len) = response.field("content-length") {
            response.body = vec![0; len.parse().unwrap()];
            self.0.read_exact(&mut response.body).unwrap();
        } else if response.field("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.read_chunk() {
                response.body.extend(chunk);
            }
        } else {
            self.0.read_to_end(&mut response.body).unwrap();
        }
        response
    }

    /// The head of a response; an error when the connection ends before it.
    pub(crate) fn read_head(&mut self) -> io::Result<Response> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Response { status, head, body: Vec::new() })
    }

    /// The next chunk, `None` for the last.
    pub(crate) fn read_chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let len = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let mut data = vec![0; len + 2];
        self.0.read_exact(&mut data).unwrap();
        assert_eq!(data.split_off(len), b"\r\n");
        (len > 0).then_some(data)
    }

    /// The end of the connection: `Ok` for a FIN with no byte before it.
    pub(crate) fn read_fin(&mut self) -> io::Result<()> {
        match self.0.read(&mut [0])? {
            0 => Ok(()),
            _ => panic!("a byte instead of the end"),
        }
    }
}

/// A request on a new connection.
pub(crate) fn request(addr: SocketAddr, line: &str) -> Response {
    Client::connect(addr).request(line, b"")
}

/// Waits until `condition`, at most [`DEADLINE`].
#[expect(clippy::disallowed_methods, reason = "counters can only be polled")]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
