//! hyper as the backend: it echoes the body of each request as it arrives.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{listener, runtime};

/// An echo server on its own thread. Dropped: stopped and joined.
#[derive(Debug)]
pub struct HyperServer {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HyperServer {
    /// Starts it on an ephemeral port.
    pub fn echo() -> Self {
        let (listener, stop, mut ended) = listener();
        let addr = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            runtime().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let stream = tokio::select! {
                        accepted = listener.accept() => accepted.unwrap().0,
                        _ = &mut ended => return,
                    };
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(echo));
                    tokio::spawn(connection);
                }
            });
        });
        Self { addr, stop: Some(stop), thread: Some(thread) }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for HyperServer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Incoming>, Infallible> {
    let method = request.method().as_str().to_owned();
    Ok(Response::builder().header("x-method", method).body(request.into_body()).unwrap())
}
