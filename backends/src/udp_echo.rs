//! A UDP echo server, for balancers of datagrams.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;

use crate::runtime_thread::RuntimeThread;

/// Longer than any datagram.
const BUFFER_BYTES: usize = 65_535;

/// A UDP server that sends each datagram back. Dropping it stops it; then its port is unreachable.
#[derive(Debug)]
pub struct UdpEcho {
    name: Option<String>,
    addr: SocketAddr,
    _thread: RuntimeThread,
}

impl UdpEcho {
    /// Starts one on 127.0.0.1 and an ephemeral port.
    pub fn start() -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None)
    }

    /// Starts one on `addr`; datagrams are received when this returns. One with a name replies with `name: ` and the
    /// datagram.
    pub fn start_on(addr: SocketAddr, name: Option<&str>) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(addr)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot bind {addr}: {error}")))?;
        socket.set_nonblocking(true)?;
        let addr = socket.local_addr()?;
        let prefix = name.map_or_else(String::new, |name| format!("{name}: "));
        let thread =
            RuntimeThread::spawn("udp-echo", move || Ok(echo(UdpSocket::from_std(socket)?, prefix.into_bytes())))?;
        Ok(Self { name: name.map(str::to_owned), addr, _thread: thread })
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

async fn echo(socket: UdpSocket, prefix: Vec<u8>) {
    let mut buffer = vec![0; prefix.len() + BUFFER_BYTES];
    buffer[..prefix.len()].copy_from_slice(&prefix);
    loop {
        // An error is about a datagram before this one, and needs no response.
        if let Ok((length, client)) = socket.recv_from(&mut buffer[prefix.len()..]).await {
            let _ = socket.send_to(&buffer[..prefix.len() + length], client).await;
        }
    }
}
