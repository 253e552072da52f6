//! A single datagram outside the load: is a server up?

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

/// A datagram to a port that nobody has bound yet is lost, so a short wait and another one are the way to know.
const TIMEOUT: Duration = Duration::from_millis(50);

/// Sends a datagram and receives its echo.
pub(crate) fn ask(server: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let mut echo = [0; 16];
    socket.send(b"up?")?;
    let length = socket.recv(&mut echo)?;
    if echo[..length] == *b"up?" { Ok(()) } else { Err(io::Error::other("what came back is no echo")) }
}
