//! Where the lines go: a file that is reopened when it has been rotated, or standard output.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    libc::PIPE_BUF,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// How long a full pipe is waited for, in milliseconds.
const STALL_MS: u8 = 100;

/// Where lines are written, as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output: `-`.
    Stdout,
    /// A file, or something that has a name like a file: a pipe, a device.
    File(PathBuf),
}

impl From<&str> for Target {
    fn from(text: &str) -> Self {
        if text == "-" { Self::Stdout } else { Self::File(text.into()) }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An open file, for appending.
#[derive(Debug)]
pub struct LogFile {
    target: Target,
    file: File,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A file on a disk.
    Regular,
    /// A pipe, a terminal, a device; whatever standard output is.
    Stream,
}

impl LogFile {
    /// Opens it, and creates it if it is not there.
    ///
    /// # Errors
    /// It cannot be opened for writing; a named pipe has no reader.
    pub fn open(target: Target) -> io::Result<Self> {
        let file = match &target {
            Target::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            Target::File(path) => open_for_appending(path)?,
        };
        // Standard output may lead to a file too, but without `O_APPEND`: nothing of that can be taken back.
        let is_file = target != Target::Stdout && file.metadata()?.is_file();
        let kind = if is_file { Kind::Regular } else { Kind::Stream };
        Ok(Self { target, file, kind })
    }

    /// Whether the name leads to another file now: it has been rotated.
    pub fn is_rotated(&self) -> bool {
        let Target::File(path) = &self.target else { return false };
        let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        match (path.metadata(), self.file.metadata()) {
            (Ok(named), Ok(open)) => identity(&named) != identity(&open),
            (Err(error), _) => error.kind() == ErrorKind::NotFound,
            (_, Err(_)) => false,
        }
    }

    /// Opens what the name leads to now. The old file stays open if that fails.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reopen(&mut self) -> io::Result<()> {
        *self = Self::open(self.target.clone())?;
        Ok(())
    }

    /// Appends the beginning of `lines`, and returns how much; 0 if nobody reads what has been written before. Waits a
    /// tenth of a second for that, so that the writer is never blocked.
    ///
    /// # Errors
    /// Nothing could be written: the disk is full, or the reader is gone.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Stream if !is_writable(&self.file)? => Ok(0),
            Kind::Stream => self.file.write(atomic_part(lines)),
            Kind::Regular => self.append_to_regular(lines),
        }
    }

    /// When the disk gets full, a part of a line may be written. It is taken back: the rest may never follow.
    fn append_to_regular(&mut self, lines: &[u8]) -> io::Result<usize> {
        let written = self.file.write(lines)?;
        let whole = if written == lines.len() { written } else { end_of_last_line(&lines[..written]) };
        if whole < written {
            let length = self.file.metadata()?.len();
            self.file.set_len(length.saturating_sub((written - whole) as u64))?;
        }
        Ok(whole)
    }

    /// Where it is.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

/// With `O_APPEND`, so that several processes may write to it, and it may be truncated: each write goes to the end.
fn open_for_appending(path: &Path) -> io::Result<File> {
    // A named pipe without a reader would block here for ever; with `O_NONBLOCK` it is an error.
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

/// As much of `lines` as a pipe takes at once or not at all (`PIPE_BUF`, POSIX), in whole lines: if the process ends while
/// the pipe is full, no part of a line is in it. A line that is longer goes in parts.
fn atomic_part(lines: &[u8]) -> &[u8] {
    let part = &lines[..lines.len().min(PIPE_BUF)];
    match end_of_last_line(part) {
        0 => part,
        end => &part[..end],
    }
}

/// Whether it takes [`PIPE_BUF`] bytes now, or within [`STALL_MS`].
fn is_writable(file: &File) -> io::Result<bool> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    Ok(poll(&mut fds, PollTimeout::from(STALL_MS))? > 0)
}

fn end_of_last_line(lines: &[u8]) -> usize {
    memchr::memrchr(b'\n', lines).map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_reopened_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let [path, moved] = ["access.log", "access.log.1"].map(|name| dir.path().join(name));
        let mut log = LogFile::open(Target::File(path.clone())).unwrap();
        assert_eq!(log.append(b"one\n").unwrap(), 4);
        assert!(!log.is_rotated());
        fs::rename(&path, &moved).unwrap();
        assert!(log.is_rotated(), "there is none of this name");
        log.append(b"two\n").unwrap();
        log.reopen().unwrap();
        assert!(!log.is_rotated());
        log.append(b"three\n").unwrap();
        fs::rename(&path, dir.path().join("access.log.2")).unwrap();
        fs::write(&path, "").unwrap();
        assert!(log.is_rotated(), "another one has the name");
        assert_eq!(fs::read_to_string(moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(dir.path().join("access.log.2")).unwrap(), "three\n");
    }

    #[test]
    fn a_file_that_is_truncated_is_continued_at_its_new_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        fs::write(&path, "before\n").unwrap();
        let mut log = LogFile::open(Target::File(path.clone())).unwrap();
        log.append(b"one\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\none\n");
        fs::write(&path, "").unwrap();
        log.append(b"two\n").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), log.is_rotated()), ("two\n", false));
    }

    #[test]
    fn what_cannot_be_opened_is_an_error_and_a_failed_reopen_keeps_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing/access.log");
        assert_eq!(LogFile::open(Target::File(missing)).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(LogFile::open(Target::File(dir.path().into())).is_err(), "a directory");
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(LogFile::open(Target::File(fifo)).is_err(), "nobody reads it");
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut log = LogFile::open(Target::File(inner.join("log"))).unwrap();
        fs::remove_dir_all(&inner).unwrap();
        assert!(log.reopen().is_err());
        assert_eq!(log.append(b"kept\n").unwrap(), 5);
        let mut full = LogFile::open(Target::File("/dev/full".into())).unwrap();
        assert!(full.append(b"lost\n").is_err());
    }

    #[test]
    fn a_pipe_gets_whole_lines() {
        let long = "x".repeat(2 * PIPE_BUF) + "\n";
        for (lines, first) in [
            ("a\nb\n".to_owned(), "a\nb\n".to_owned()),
            (long.clone() + "b\n", "x".repeat(PIPE_BUF)),
            ("a\n".to_owned() + &long, "a\n".to_owned()),
            ("abc\n".repeat(PIPE_BUF), "abc\n".repeat(PIPE_BUF / 4)),
            ("abcd\n".repeat(PIPE_BUF), "abcd\n".repeat(PIPE_BUF / 5)),
        ] {
            assert_eq!(atomic_part(lines.as_bytes()), first.as_bytes());
        }
    }

    #[test]
    fn a_pipe_that_nobody_reads_takes_nothing_and_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut log = LogFile::open(Target::File(path)).unwrap();
        let lines = vec![b'\n'; 2 << 20];
        let mut written = 0;
        loop {
            match log.append(&lines[written..]).unwrap() {
                0 => break,
                length => written += length,
            }
        }
        assert!((PIPE_BUF..lines.len()).contains(&written), "{written}");
    }
}
