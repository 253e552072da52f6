//! A range of a file on its way to a socket.

use std::{
    fs::File,
    io::{self, ErrorKind},
    ops::Range,
    os::{
        fd::{AsRawFd as _, BorrowedFd},
        unix::fs::FileExt as _,
    },
};

use nix::sys::socket::{MsgFlags, send};

/// Whether this system has a `sendfile` that this module can use. Elsewhere the bytes are always copied: macOS has one
/// with other arguments.
pub const SENDFILE_IS_AVAILABLE: bool = cfg!(target_os = "linux");

/// How the bytes get from the file to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMethod {
    /// `sendfile(2)`: the kernel moves them.
    Sendfile,
    /// `pread(2)` into a buffer and `send(2)` out of it: two copies.
    Copy,
}

/// What one call of [`FileSender::send`] has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// How many bytes, at least one.
    pub bytes: usize,
    /// How: the call copies a file that `sendfile` cannot read.
    pub method: TransferMethod,
}

/// A range of a file, and how much of it is still to be sent. It waits for nothing: the caller waits for the socket.
#[derive(Debug)]
pub struct FileSender {
    file: File,
    /// The next byte to send. The file has a position of its own, which is not used: the kernel would move it by the
    /// bytes that were read, although the socket may have taken fewer.
    offset: u64,
    end: u64,
}

impl FileSender {
    /// Nothing of `range` is sent yet. The range is that of the announced `Content-Length`, whatever the file's length
    /// becomes.
    pub fn new(file: File, range: Range<u64>) -> Self {
        Self { file, offset: range.start, end: range.end }
    }

    /// How many bytes are still to be sent.
    pub fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.offset)
    }

    // ANCHOR: send
    /// Sends up to `limit` bytes with one system call, or two if it copies through `buffer`. The caller bounds what it
    /// sends before it serves other connections: `sendfile` goes on as long as the socket takes bytes.
    ///
    /// # Errors
    /// - `WouldBlock`: the socket's send buffer is full. Wait until it is writable.
    /// - `UnexpectedEof`: the file has become shorter than the range. The connection must be closed, because the peer
    ///   has been promised more bytes.
    /// - Any error of the system.
    pub fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        limit: usize,
        method: TransferMethod,
        buffer: &mut [u8],
    ) -> io::Result<Sent> {
        let wanted = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(limit);
        if wanted == 0 {
            return Err(ErrorKind::InvalidInput.into());
        }
        let sent = match method {
            TransferMethod::Sendfile => match self.sendfile(socket, wanted) {
                // A file system without page cache, such as parts of /proc: sendfile(2) advises to copy.
                Err(error) if is_unsupported(&error) => self.copy(socket, wanted, buffer),
                sent => sent,
            },
            TransferMethod::Copy => self.copy(socket, wanted, buffer),
        }?;
        if sent.bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.offset += sent.bytes as u64;
        Ok(sent)
    }
    // ANCHOR_END: send

    /// Sends `head` and what remains of the file by one `send(2)`, as far as `buffer` has room for them and the socket
    /// takes them. For a file of few bytes: to copy them costs less than a call of its own. Returns how many bytes of
    /// the head were sent, and how many of the file.
    ///
    /// # Errors
    /// - `WouldBlock`: the socket's send buffer is full, and nothing was sent.
    /// - Any error of the system.
    pub fn send_with_head(
        &mut self,
        head: &[u8],
        socket: BorrowedFd<'_>,
        buffer: &mut [u8],
    ) -> io::Result<(usize, usize)> {
        let (head_room, file_room) = buffer.split_at_mut(head.len().min(buffer.len()));
        head_room.copy_from_slice(&head[..head_room.len()]);
        let wanted = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(file_room.len());
        // 0 if the file has become shorter: the call that sends the rest says so.
        let read = self.file.read_at(&mut file_room[..wanted], self.offset)?;
        let head_length = head_room.len();
        let sent = send(socket.as_raw_fd(), &buffer[..head_length + read], MsgFlags::empty())?;
        let of_head = sent.min(head_length);
        self.offset += (sent - of_head) as u64;
        Ok((of_head, sent - of_head))
    }

    #[cfg(target_os = "linux")]
    fn sendfile(&self, socket: BorrowedFd<'_>, wanted: usize) -> io::Result<Sent> {
        let mut offset = i64::try_from(self.offset).map_err(|_| ErrorKind::InvalidInput)?;
        let bytes = nix::sys::sendfile::sendfile64(socket, &self.file, Some(&mut offset), wanted)?;
        Ok(Sent { bytes, method: TransferMethod::Sendfile })
    }

    #[cfg(not(target_os = "linux"))]
    fn sendfile(&self, _socket: BorrowedFd<'_>, _wanted: usize) -> io::Result<Sent> {
        Err(nix::errno::Errno::ENOSYS.into())
    }

    /// Bytes that were read and that the socket does not take are read again by the next call. So a slow client keeps
    /// no buffer, and all clients of a worker share one.
    fn copy(&self, socket: BorrowedFd<'_>, wanted: usize, buffer: &mut [u8]) -> io::Result<Sent> {
        let wanted = wanted.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        let bytes = if read == 0 { 0 } else { send(socket.as_raw_fd(), &buffer[..read], MsgFlags::empty())? };
        Ok(Sent { bytes, method: TransferMethod::Copy })
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    use nix::errno::Errno;
    [Errno::EINVAL, Errno::ENOSYS].iter().any(|errno| error.raw_os_error() == Some(*errno as i32))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Seek as _, Write as _},
        net::{TcpListener, TcpStream},
        os::fd::AsFd as _,
    };

    use super::*;

    const METHODS: [TransferMethod; 2] = [TransferMethod::Sendfile, TransferMethod::Copy];

    /// A connection over the loopback interface: our side, which does not block, and the peer's.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, _) = listener.accept().unwrap();
        own.set_nonblocking(true).unwrap();
        (own, peer)
    }

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index * 31 % 251).unwrap()).collect()
    }

    fn read_exact(peer: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        peer.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn sends_exactly_the_range_in_calls_of_at_most_the_limit() {
        let content = pattern(10_000);
        for method in METHODS {
            let (own, mut peer) = connection();
            let mut sender = FileSender::new(file(&content), 100..9_100);
            let mut calls = Vec::new();
            while sender.remaining() > 0 {
                calls.push(sender.send(own.as_fd(), 4_000, method, &mut [0; 5_000]).unwrap());
            }
            assert_eq!(calls, [4_000, 4_000, 1_000].map(|bytes| Sent { bytes, method }));
            assert!(sender.send(own.as_fd(), 4_000, method, &mut [0; 5_000]).is_err(), "there is nothing left");
            drop(own);
            assert!(read_exact(&mut peer, 9_000) == content[100..9_100]);
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn continues_where_a_full_socket_stopped_it() {
        let content = pattern(16 * 1024 * 1024);
        for method in METHODS {
            let (own, mut peer) = connection();
            let mut sender = FileSender::new(file(&content), 0..content.len() as u64);
            let (mut buffer, mut received, mut blocked) = (vec![0; 65_536], Vec::new(), 0);
            while sender.remaining() > 0 {
                match sender.send(own.as_fd(), usize::MAX, method, &mut buffer) {
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        let in_flight = content.len() - usize::try_from(sender.remaining()).unwrap() - received.len();
                        blocked += 1;
                        received.extend(read_exact(&mut peer, in_flight));
                    }
                }
            }
            drop(own);
            peer.read_to_end(&mut received).unwrap();
            assert!(blocked > 0, "the socket was never full");
            assert!(received == content);
        }
    }

    #[test]
    fn a_file_that_shrinks_is_an_error_and_one_that_grows_is_not_sent_further() {
        for method in METHODS {
            let (own, mut peer) = connection();
            let shrinking = file(&pattern(3_000));
            shrinking.set_len(1_000).unwrap();
            let mut sender = FileSender::new(shrinking, 0..3_000);
            assert_eq!(sender.send(own.as_fd(), 9_000, method, &mut [0; 9_000]).unwrap().bytes, 1_000);
            let error = sender.send(own.as_fd(), 9_000, method, &mut [0; 9_000]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);

            let growing = file(&pattern(3_000));
            let mut sender = FileSender::new(growing, 0..2_000);
            assert_eq!(sender.send(own.as_fd(), 9_000, method, &mut [0; 9_000]).unwrap().bytes, 2_000);
            assert_eq!(sender.remaining(), 0);
            drop(own);
            let mut received = Vec::new();
            peer.read_to_end(&mut received).unwrap();
            assert_eq!(received.len(), 3_000);
        }
    }

    #[test]
    fn a_head_and_a_small_file_go_by_one_call_as_far_as_there_is_room() {
        let content = pattern(100);
        for (room, expected) in [(200, (10, 90)), (50, (10, 40)), (10, (10, 0)), (4, (4, 0))] {
            let (own, mut peer) = connection();
            let mut sender = FileSender::new(file(&content), 10..100);
            assert_eq!(sender.send_with_head(&[7; 10], own.as_fd(), &mut vec![0; room]).unwrap(), expected);
            assert_eq!(sender.remaining(), 90 - expected.1 as u64, "room for {room}");
            drop(own);
            let mut received = Vec::new();
            peer.read_to_end(&mut received).unwrap();
            assert!(received == [&[7; 10][..expected.0], &content[10..10 + expected.1]].concat(), "room for {room}");
        }
    }

    #[test]
    fn a_head_goes_before_a_file_that_shrinks() {
        let (own, _peer) = connection();
        let shrinking = file(&pattern(100));
        shrinking.set_len(0).unwrap();
        let mut sender = FileSender::new(shrinking, 0..100);
        assert_eq!(sender.send_with_head(b"head", own.as_fd(), &mut [0; 200]).unwrap(), (4, 0));
        let error = sender.send(own.as_fd(), 100, TransferMethod::Copy, &mut [0; 200]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn copies_a_file_that_sendfile_cannot_read() {
        let (own, mut peer) = connection();
        let mut sender = FileSender::new(File::open("/proc/self/status").unwrap(), 0..5);
        let sent = sender.send(own.as_fd(), 9, TransferMethod::Sendfile, &mut [0; 9]).unwrap();
        assert_eq!(sent, Sent { bytes: 5, method: TransferMethod::Copy });
        assert_eq!(read_exact(&mut peer, 5), b"Name:");
    }
}
