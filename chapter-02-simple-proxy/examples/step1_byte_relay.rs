//! Step 1: connect, and copy bytes both ways until both sides have closed.
//!
//! What fails: HTTP/1.1 connections stay open after a response, so neither side closes. This relay does not parse
//! responses, so it cannot tell when one has ended: it serves its first client for ever.
//!
//! ```console
//! $ cargo run -p chapter-02-simple-proxy --example step1_byte_relay
//! $ (printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'; sleep 60) | nc 127.0.0.1 8080     # answered, stays open
//! $ curl -m 3 http://127.0.0.1:8080/                                  # in a second terminal: times out
//! ```
//!
//! A thread per client would hide this, and keep a backend connection open for every idle client. It still could
//! not send two requests of one client to two backends, or tell a backend the client's address. Step 2 looks for
//! the request.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    process::ExitCode,
    thread,
};

mod start;

fn main() -> ExitCode {
    start::main(serve)
}

// ANCHOR: relay
fn serve(client: &TcpStream, backend: SocketAddr) -> io::Result<()> {
    let backend = TcpStream::connect(backend)?;
    thread::scope(|scope| {
        // Each direction may be idle while the other is not, so each has a thread.
        let up = scope.spawn(|| copy(client, &backend));
        let down = copy(&backend, client);
        up.join().expect("copying does not panic").and(down)
    })
}

/// Copies until `from` has closed, and then closes the sending half of `to`.
fn copy(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}
// ANCHOR_END: relay

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use integration_tests::client::Client;

    #[test]
    fn an_idle_client_blocks_all_others() {
        let proxy = super::start::running(super::serve);
        let mut first = Client::connect(proxy);
        for _ in 0..2 {
            assert_eq!(first.get("/").status(), 200);
        }
        let mut second = Client::connect(proxy);
        second.request("GET", "/", "");
        second.expect_no_input(Duration::from_millis(500));
        drop(first);
        assert_eq!(second.response("GET").status(), 200, "served once the first has left");
    }
}
