//! A plain TCP echo server, for balancers of connections that do not speak HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::port_reservation::{Listener, PortReservation};
use crate::runtime_thread::RuntimeThread;

const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A TCP server that echoes every byte, and the FIN after the last. Dropping it stops it.
#[derive(Debug)]
pub struct TcpEcho {
    addr: SocketAddr,
    connections: Arc<AtomicU64>,
    _thread: RuntimeThread,
}

impl TcpEcho {
    /// Starts one on 127.0.0.1 and an ephemeral port.
    pub fn start() -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Starts one on `addr`; it listens when this returns.
    pub fn start_on(addr: SocketAddr) -> io::Result<Self> {
        let (port, listener) = PortReservation::bind_and_listen(addr)?;
        let addr = port.addr();
        let connections = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&connections);
        let thread = RuntimeThread::spawn("tcp-echo", move || Ok(accept_all(Listener::new(listener)?, counter)))?;
        Ok(Self { addr, connections, _thread: thread })
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connections accepted since the start.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Stops it and waits for its thread. Dropping does the same.
    pub fn stop(self) {}
}

async fn accept_all(listener: Listener, connections: Arc<AtomicU64>) {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                connections.fetch_add(1, Ordering::Relaxed);
                // Ended by the client, or by the end of the runtime.
                tokio::spawn(echo(stream));
            }
            Err(error) => {
                tracing::warn!(%error, "tcp echo cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn echo(mut stream: TcpStream) {
    let (mut from, mut to) = stream.split();
    // After the client's FIN, `copy` returns, and closing the socket sends ours. An error is the client's own reset,
    // which needs no response.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}
