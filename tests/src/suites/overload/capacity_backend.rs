//! A backend of fixed capacity that slows down when it holds more requests than it serves at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

/// How many requests are served at a time. Far from the limit that the balancer begins with: it has to be found.
pub(super) const CAPACITY: u32 = 32;
/// How long each takes, unless there are more.
pub(super) const SERVICE: Duration = Duration::from_millis(100);

/// The backend, on its own thread. Dropped: stopped and joined.
pub(super) struct CapacityBackend {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What its connections share.
struct Served {
    permits: Semaphore,
    held: AtomicU32,
}

impl CapacityBackend {
    pub(super) fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let served = Arc::new(Served { permits: Semaphore::new(CAPACITY as usize), held: AtomicU32::new(0) });
                loop {
                    tokio::select! {
                        accepted = listener.accept() => {
                            // Out of descriptors: the client sees a reset, as with a real backend.
                            let Ok((stream, _)) = accepted else { continue };
                            tokio::spawn(serve(stream, Arc::clone(&served)));
                        }
                        _ = &mut stopped => return,
                    }
                }
            });
        });
        Self { addr, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for CapacityBackend {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers request after request. Like most servers it does not notice that a client has gone before it answers.
async fn serve(mut stream: TcpStream, served: Arc<Served>) {
    let _ = stream.set_nodelay(true);
    let (mut received, mut chunk) = (Vec::new(), [0; 2048]);
    loop {
        while !received.ends_with(b"\r\n\r\n") {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(n) => received.extend_from_slice(&chunk[..n]),
            }
        }
        received.clear();
        served.held.fetch_add(1, Relaxed);
        let permit = served.permits.acquire().await.unwrap();
        let waiting = served.held.load(Relaxed).saturating_sub(CAPACITY);
        let slowed = SERVICE.mul_f64(1.0 + f64::from(waiting) / f64::from(16 * CAPACITY));
        tokio::time::sleep(slowed).await;
        drop(permit);
        served.held.fetch_sub(1, Relaxed);
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err() {
            return;
        }
    }
}
