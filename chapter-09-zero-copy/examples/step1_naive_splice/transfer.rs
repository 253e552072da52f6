//! Sends bytes through a relay, to a destination that has room for them or is slow.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use socket2::SockRef;

pub(crate) type Relay = fn(&TcpStream, &TcpStream) -> io::Result<()>;

/// How many bytes are sent.
pub(crate) const BYTES: usize = 200_000;
const SMALL_BUFFER: usize = 16 * 1024;
const UNREAD: Duration = Duration::from_millis(200);
/// All bytes fit into the buffers between sender and source. If they don't, the program fails instead of hanging.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    WithRoom,
    /// With small buffers, and nothing is read for the first [`UNREAD`].
    Slow,
}

/// What has arrived at the destination when its FIN comes.
pub(crate) fn transfer(relay: Relay, destination: Destination) -> io::Result<Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let connected = || Ok::<_, io::Error>((TcpStream::connect(listener.local_addr()?)?, listener.accept()?.0));
    let (mut sender, source) = connected()?;
    if destination == Destination::Slow {
        SockRef::from(&listener).set_recv_buffer_size(SMALL_BUFFER)?; // the next one that it accepts inherits it
    }
    let (to, mut receiver) = connected()?;
    if destination == Destination::Slow {
        SockRef::from(&to).set_send_buffer_size(SMALL_BUFFER)?;
    }
    source.set_nonblocking(true)?;
    to.set_nonblocking(true)?;
    let receiving = thread::spawn(move || {
        if destination == Destination::Slow {
            pause();
        }
        let mut bytes = Vec::new();
        receiver.read_to_end(&mut bytes).map(|_| bytes)
    });
    sender.set_write_timeout(Some(WRITE_TIMEOUT))?;
    sender.write_all(&(0..BYTES).map(pattern).collect::<Vec<_>>())?;
    sender.shutdown(Shutdown::Write)?;
    relay(&source, &to)?;
    receiving.join().expect("it only reads")
}

/// How many of the first bytes are those that were sent.
pub(crate) fn intact(received: &[u8]) -> usize {
    received.iter().enumerate().take_while(|(at, byte)| **byte == pattern(*at)).count()
}

/// Without a short period, so that a gap shows.
#[expect(clippy::cast_possible_truncation, reason = "any byte of it will do")]
fn pattern(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 16) as u8
}

#[expect(clippy::disallowed_methods, reason = "a slow reader is the subject")]
fn pause() {
    thread::sleep(UNREAD);
}
