//! Backends for the tests of this module: real sockets, scripted responses.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use common::net::connect_nonblocking;
use socket2::{Domain, Socket, Type};

/// Serves one connection after another until it is dropped.
pub(crate) struct TestBackend {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TestBackend {
    /// Calls `serve` with each connection and the head of its request.
    pub(crate) fn with_handler(serve: impl Fn(TcpStream, &str) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            for stream in listener.incoming() {
                if stopped.load(SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                if let Some(request) = read_head(&mut stream) {
                    serve(stream, &request);
                }
            }
        };
        Self { address, stop, thread: Some(thread::spawn(run)) }
    }

    /// Sends these bytes in response to each request, and closes.
    pub(crate) fn with_response(bytes: &'static str) -> Self {
        Self::with_handler(move |mut stream, _| {
            let _ = stream.write_all(bytes.as_bytes());
        })
    }
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => head.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
    String::from_utf8(head).ok()
}

impl Drop for TestBackend {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take().filter(|_| woken.is_ok()) {
            let _ = thread.join();
        }
    }
}

/// Refuses every connect: the port is bound, so that no other socket gets it, but not listening.
pub(crate) struct RefusingPort {
    pub(crate) address: SocketAddr,
    _bound: Socket,
}

impl RefusingPort {
    pub(crate) fn new() -> Self {
        let (bound, address) = bind_loopback();
        Self { address, _bound: bound }
    }
}

/// Drops every connect: its accept queue is full, and no thread accepts.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: Socket,
    _backlog: Vec<TcpStream>,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        let (listener, address) = bind_loopback();
        listener.listen(0).unwrap();
        let mut waiting = vec![TcpStream::connect(address).unwrap()];
        waiting.extend((0..3).map(|_| connect_nonblocking(address).unwrap()));
        Self { address, _listener: listener, _backlog: waiting }
    }
}

fn bind_loopback() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}
