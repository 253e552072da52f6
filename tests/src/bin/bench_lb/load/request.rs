//! The request that all clients of a round send, as bytes.

use std::net::SocketAddr;

/// Written once: a round sends nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    /// The length that the answer's body must have.
    pub(crate) answer_bytes: u64,
    /// A fresh connection for each, which the server closes. It closes and not the client, so that the port that is
    /// out of use for a minute (`TIME_WAIT`) is the server's one port and not one of the client's 28,000.
    pub(crate) new_connection: bool,
}

impl Request {
    /// A GET, or a POST with a body of `body_bytes`.
    pub(crate) fn new(to: SocketAddr, path: &str, body_bytes: usize, new_connection: bool, answer_bytes: u64) -> Self {
        let method = if body_bytes > 0 { "POST" } else { "GET" };
        let close = if new_connection { "Connection: close\r\n" } else { "" };
        let length = if body_bytes > 0 { format!("Content-Length: {body_bytes}\r\n") } else { String::new() };
        // The fields that a small client sends: a head of nothing but Host would flatter whoever parses slowly.
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: bench-lb\r\nAccept: */*\r\n{close}{length}\r\n"
        );
        let mut bytes = head.into_bytes();
        bytes.resize(bytes.len() + body_bytes, b'x');
        Self { bytes, answer_bytes, new_connection }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_follows() {
        let to = SocketAddr::from(([127, 0, 0, 1], 80));
        let get = String::from_utf8(Request::new(to, "/", 0, true, 14).bytes).unwrap();
        assert!(get.starts_with("GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"), "{get}");
        assert!(get.ends_with("Connection: close\r\n\r\n"), "{get}");
        let post = String::from_utf8(Request::new(to, "/a", 3, false, 14).bytes).unwrap();
        assert!(post.starts_with("POST /a ") && post.ends_with("Content-Length: 3\r\n\r\nxxx"), "{post}");
    }
}
