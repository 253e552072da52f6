//! Single requests outside the load: is a server up, and what has it counted?

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A server on this machine that takes longer counts as down.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The body of a 200 to `GET path`.
pub(crate) fn get(from: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&from, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    // As large as a status page; an endless response must not block the run.
    stream.take(1 << 20).read_to_string(&mut text)?;
    let wrong = || io::Error::other(format!("GET {path}: {}", text.lines().next().unwrap_or("no response")));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(wrong)?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(wrong());
    }
    Ok(body.to_owned())
}
