//! `SIOCOUTQ` (tcp(7)): how much of what was sent the peer has not acknowledged yet.
#![allow(unsafe_code, reason = "neither nix nor socket2 has a safe function for this ioctl")]

use std::os::fd::BorrowedFd;

/// How many bytes the kernel holds for the peer, or has sent without an acknowledgement. `None` if the system does not
/// say.
#[cfg(target_os = "linux")]
pub(super) fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> Option<u64> {
    use std::os::fd::AsRawFd as _;

    nix::ioctl_read_bad!(siocoutq, nix::libc::TIOCOUTQ, nix::libc::c_int);

    let mut bytes = 0;
    // SAFETY: the descriptor is open while it is borrowed, and the kernel writes one int, to a place for one int.
    unsafe { siocoutq(socket.as_raw_fd(), &raw mut bytes) }.ok()?;
    u64::try_from(bytes).ok()
}

/// How many bytes the kernel holds for the peer.
#[cfg(not(target_os = "linux"))]
pub(super) fn unacknowledged_bytes(_socket: BorrowedFd<'_>) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        os::fd::AsFd as _,
    };

    use super::*;

    #[test]
    fn bytes_are_acknowledged_as_the_peer_reads() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut own, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged_bytes(own.as_fd()).unwrap_or(0), 0);
        own.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(length) = own.write(&[0; 16_384]) {
            sent += length;
        }
        let Some(held) = unacknowledged_bytes(own.as_fd()) else { return };
        assert!(held > 0 && held <= sent as u64, "{held} of {sent} bytes");
        peer.read_exact(&mut vec![0; sent]).unwrap();
        let mut last = [0];
        own.write_all(&[1]).unwrap();
        peer.read_exact(&mut last).unwrap();
        assert!(unacknowledged_bytes(own.as_fd()).unwrap() < held);
    }
}
