//! The requests of a round's clients, as bytes.

use std::net::SocketAddr;

/// Written once: a round sends nothing else. One request, or one per key, which the clients send in turn.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<Vec<u8>>,
    /// The length that the response's body must have.
    pub(crate) answer_bytes: u64,
    /// A new connection for each request, which the server closes: then the port in `TIME_WAIT` for a minute is the
    /// server's one port and not one of the client's 28,000.
    pub(crate) new_connection: bool,
}

impl Request {
    /// A GET of each path, or a POST with a body of `body_bytes`. There is at least one path.
    pub(crate) fn new(
        to: SocketAddr,
        paths: &[String],
        body_bytes: usize,
        new_connection: bool,
        answer_bytes: u64,
    ) -> Self {
        debug_assert!(!paths.is_empty());
        let bytes = paths.iter().map(|path| bytes(to, path, body_bytes, new_connection)).collect();
        Self { bytes, answer_bytes, new_connection }
    }

    /// The request for a key. Keys beyond the last wrap around.
    pub(crate) fn bytes(&self, key: usize) -> &[u8] {
        &self.bytes[key % self.bytes.len()]
    }
}

fn bytes(to: SocketAddr, path: &str, body_bytes: usize, new_connection: bool) -> Vec<u8> {
    let method = if body_bytes > 0 { "POST" } else { "GET" };
    let close = if new_connection { "Connection: close\r\n" } else { "" };
    let length = if body_bytes > 0 { format!("Content-Length: {body_bytes}\r\n") } else { String::new() };
    // The headers that a small client sends: a head with only Host would favour slow parsers.
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: bench-lb\r\nAccept: */*\r\n{close}{length}\r\n");
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + body_bytes, b'x');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_follows() {
        let to = SocketAddr::from(([127, 0, 0, 1], 80));
        let text = |request: &Request, key| String::from_utf8(request.bytes(key).to_vec()).unwrap();
        let get = text(&Request::new(to, &["/".to_owned()], 0, true, 14), 0);
        assert!(get.starts_with("GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"), "{get}");
        assert!(get.ends_with("Connection: close\r\n\r\n"), "{get}");
        let post = text(&Request::new(to, &["/a".to_owned()], 3, false, 14), 7);
        assert!(post.starts_with("POST /a ") && post.ends_with("Content-Length: 3\r\n\r\nxxx"), "{post}");
        let keyed = Request::new(to, &["/a".to_owned(), "/b".to_owned()], 0, false, 14);
        assert!(text(&keyed, 2).starts_with("GET /a ") && text(&keyed, 3).starts_with("GET /b "));
    }
}
