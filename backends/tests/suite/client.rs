//! A minimal client: one connection, raw requests, responses read by their framing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The time limit of every read in this suite.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
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
    pub(crate) fn ask(&mut self, line: &str, body: &[u8]) -> Answer {
        let length = match body.len() {
            0 => String::new(),
            len => format!("Content-Length: {len}\r\n"),
        };
        // Head and body in separate writes: the body need not have arrived when the head is read.
        self.send(format!("{line} HTTP/1.1\r\nHost: test\r\n{length}\r\n"));
        self.send(body);
        self.answer(!line.starts_with("HEAD "))
    }

    pub(crate) fn answer(&mut self, has_body: bool) -> Answer {
        let mut answer = self.head().unwrap();
        if !has_body || matches!(answer.status, 100..=199 | 204 | 304) {
            return answer;
        }
        if let Some(len) = answer.field("content-length") {
            answer.body = vec![0; len.parse().unwrap()];
            self.0.read_exact(&mut answer.body).unwrap();
        } else if answer.field("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                answer.body.extend(chunk);
            }
        } else {
            self.0.read_to_end(&mut answer.body).unwrap();
        }
        answer
    }

    /// The head of a response; an error when the connection ends before it.
    pub(crate) fn head(&mut self) -> io::Result<Answer> {
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
        Ok(Answer { status, head, body: Vec::new() })
    }

    /// The next chunk, `None` for the last.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let len = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let mut data = vec![0; len + 2];
        self.0.read_exact(&mut data).unwrap();
        assert_eq!(data.split_off(len), b"\r\n");
        (len > 0).then_some(data)
    }

    /// The end of the connection: `Ok` for a FIN with no byte before it.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        match self.0.read(&mut [0])? {
            0 => Ok(()),
            _ => panic!("a byte instead of the end"),
        }
    }
}

/// A request on a new connection.
pub(crate) fn ask(addr: SocketAddr, line: &str) -> Answer {
    Client::connect(addr).ask(line, b"")
}

/// Waits until `is_so`, at most [`DEADLINE`].
#[expect(clippy::disallowed_methods, reason = "counters can only be polled")]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
