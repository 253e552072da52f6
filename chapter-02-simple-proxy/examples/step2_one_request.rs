//! Step 2: one read is one request. Ask the backend to close, copy its response until it does, close.
//!
//! It serves `curl`, and no client waits for long: each connection is closed after one response. What fails: TCP is
//! a stream, and a read ends wherever the last packet happened to end. A body that arrives a moment after its head
//! is never read, and the backend waits for it.
//!
//! ```console
//! $ cargo run -p chapter-02-simple-proxy --example step2_one_request
//! $ curl -d hello http://127.0.0.1:8080/echo                          # head and body in one packet: hello
//! $ (printf 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n'; sleep 1; printf hello) | nc 127.0.0.1 8080
//! ```
//!
//! The last line prints a head and no `hello`. A larger buffer only moves the limit, and a second read would
//! block for ever after a GET. The length of a message is in its head: step 3 reads it there.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
};

mod start;

const BUFFER_BYTES: usize = 64 * 1024;

fn main() -> ExitCode {
    start::main(serve)
}

fn serve(mut client: &TcpStream, backend: SocketAddr) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let length = client.read(&mut buffer)?;
    let mut backend = TcpStream::connect(backend)?;
    backend.write_all(&with_close(&buffer[..length]))?;
    io::copy(&mut backend, &mut client)?;
    Ok(())
}

/// The request with `Connection: close` after its first line, so that the end of the response is the end of the
/// stream.
fn with_close(request: &[u8]) -> Vec<u8> {
    let line = request.iter().position(|byte| *byte == b'\n').map_or(request.len(), |end| end + 1);
    [&request[..line], b"Connection: close\r\n", &request[line..]].concat()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use integration_tests::client::Client;

    const HEAD: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

    #[test]
    fn a_body_in_a_later_segment_is_lost() {
        let proxy = super::start::running(super::serve);
        let mut client = Client::connect(proxy);
        client.send(format!("{HEAD}hello"));
        assert_eq!(client.response("POST").text(), "hello", "in one segment it works");

        let mut client = Client::connect(proxy);
        client.send(HEAD);
        let mut late = client.stream();
        std::thread::spawn(move || {
            integration_tests::wait::pause(Duration::from_millis(200));
            std::io::Write::write_all(&mut late, b"hello")
        });
        client.set_read_timeout(Duration::from_secs(1));
        assert!(client.try_response("POST").is_err(), "the body was not lost");
    }
}
