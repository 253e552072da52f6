//! accept4(2), the one call for which `nix` returns a raw descriptor: it becomes an [`OwnedFd`] here.
//!
//! A file descriptor is a small number that the kernel looks up in the process's table. Closing it twice may close
//! a file that was opened in between, so all code outside this module holds an [`OwnedFd`], which is closed once.
#![allow(unsafe_code, reason = "accept4 returns a number, and only this module knows that nothing else owns it")]

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use nix::sys::socket::{self, SockFlag};

/// Child processes do not inherit the descriptor. macOS has no such flag.
#[cfg(not(target_os = "macos"))]
pub(crate) const CLOEXEC: SockFlag = SockFlag::SOCK_CLOEXEC;
#[cfg(target_os = "macos")]
pub(crate) const CLOEXEC: SockFlag = SockFlag::empty();

/// accept4(2): takes the next client from the listener's queue.
pub(crate) fn accept(listener: &OwnedFd) -> nix::Result<OwnedFd> {
    #[cfg(not(target_os = "macos"))]
    let client = socket::accept4(listener.as_raw_fd(), CLOEXEC)?;
    #[cfg(target_os = "macos")]
    let client = socket::accept(listener.as_raw_fd())?;
    // SAFETY: the call succeeded, so the descriptor is open, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(client) })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn the_accepted_descriptor_is_closed_on_drop() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = accept(&listener.into()).unwrap();
        TcpStream::from(client).write_all(b"then closed").unwrap();
        let mut all = String::new();
        peer.read_to_string(&mut all).unwrap();
        assert_eq!(all, "then closed");
    }
}
