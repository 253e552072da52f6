//! The directory that is served, and the files in it.
//!
//! Checking a path and then opening it is a race: between the two, a directory can be replaced by a symbolic link. So
//! the kernel checks while it opens: `openat2(2)` with `RESOLVE_BENEATH` fails as soon as the resolution would leave the
//! root, by `..`, by an absolute path, or by a symbolic link. Links that stay below the root are followed; absolute
//! links are refused, even to a file inside. Where there is no `openat2` (Linux before 5.6, other systems, some
//! sandboxes), the path is opened segment by segment, and every symbolic link is refused.
//!
//! Opening blocks the worker, and so does reading what is not in the page cache: this is a server for a local disk.
//! nginx does the same unless `aio threads` is set; on a network file system, use that.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sys::stat::Mode,
};

/// How often a resolution is tried again that raced with a rename (`EAGAIN` of openat2(2)).
#[cfg(target_os = "linux")]
const MAX_ATTEMPTS: usize = 8;

/// A directory from which files are served.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    /// Whether the kernel resolves paths beneath a directory.
    has_openat2: bool,
}

/// What a path names.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file, and its state when it was opened.
    File(File, std::fs::Metadata),
    /// A directory.
    Directory,
}

/// Why a path names nothing that can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FindError {
    /// There is none, it lies outside of the root, or it is neither a regular file nor a directory.
    NotFound,
    /// We may not read it.
    Forbidden,
    /// The process is out of file descriptors, or the system of memory.
    Exhausted,
    /// Any other error of the file system.
    Failed,
}

impl Root {
    /// Opens the directory. It stays the same one if it is renamed or replaced later.
    ///
    /// # Errors
    /// There is no such directory, or it may not be searched.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(directory, flags, Mode::empty())?;
        let has_openat2 = openat2_works(directory.as_fd());
        if !has_openat2 {
            tracing::warn!("openat2(2) is not available: symbolic links are not followed");
        }
        Ok(Self { directory, has_openat2 })
    }

    /// Opens what `path` names; `path` is relative.
    pub(super) fn find(&self, path: &Path) -> Result<Found, FindError> {
        let opened =
            if self.has_openat2 { open_beneath(self.directory.as_fd(), path) } else { self.open_segments(path) };
        let file = File::from(opened?);
        let metadata = file.metadata().map_err(|_| FindError::Failed)?;
        if metadata.is_dir() {
            Ok(Found::Directory)
        } else if metadata.is_file() {
            Ok(Found::File(file, metadata))
        } else {
            Err(FindError::NotFound)
        }
    }

    /// Opens one segment after another without following symbolic links.
    fn open_segments(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let open_in = |directory: Option<&OwnedFd>, name: &OsStr, flags| {
            openat(directory.unwrap_or(&self.directory), name, flags | OFlag::O_NOFOLLOW, Mode::empty())
        };
        let mut directory = None;
        for name in path.parent().unwrap_or(Path::new("")) {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            directory = Some(open_in(directory.as_ref(), name, flags)?);
        }
        open_in(directory.as_ref(), path.file_name().ok_or(Errno::ENOENT)?, file_flags())
    }
}

/// `O_NONBLOCK`: opening a FIFO would otherwise block the worker until somebody writes to it. It changes nothing for
/// regular files.
fn file_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC
}

#[cfg(target_os = "linux")]
fn open_beneath(directory: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    use nix::fcntl::{OpenHow, ResolveFlag, openat2};

    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(file_flags()).resolve(resolve);
    let mut opened = Err(Errno::EAGAIN);
    for _ in 0..MAX_ATTEMPTS {
        opened = openat2(directory, path, how);
        if !matches!(opened, Err(Errno::EAGAIN | Errno::EINTR)) {
            break;
        }
    }
    opened
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(_directory: BorrowedFd<'_>, _path: &Path) -> Result<OwnedFd, Errno> {
    Err(Errno::ENOSYS)
}

/// Whether the system call exists and a sandbox allows it.
fn openat2_works(directory: BorrowedFd<'_>) -> bool {
    !matches!(open_beneath(directory, Path::new(".")), Err(Errno::ENOSYS | Errno::EPERM))
}

impl From<Errno> for FindError {
    fn from(errno: Errno) -> Self {
        match errno {
            // EXDEV: it would leave the root. ELOOP: a link that is not followed. ENXIO: a socket, a FIFO's other end.
            Errno::ENOENT
            | Errno::ENOTDIR
            | Errno::EXDEV
            | Errno::ELOOP
            | Errno::ENAMETOOLONG
            | Errno::ENXIO
            | Errno::ENODEV => Self::NotFound,
            Errno::EACCES | Errno::EPERM => Self::Forbidden,
            Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EAGAIN => Self::Exhausted,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, sync::mpsc, thread, time::Duration};

    use nix::unistd::mkfifo;

    use super::*;

    fn roots(directory: &Path) -> [(&'static str, Root); 2] {
        let root = Root::open(directory).unwrap();
        assert!(root.has_openat2 || !cfg!(target_os = "linux"), "this test should cover openat2");
        [("openat2", root), ("openat", Root { has_openat2: false, ..Root::open(directory).unwrap() })]
    }

    fn content(root: &Root, path: &str) -> Result<String, FindError> {
        match root.find(Path::new(path))? {
            Found::File(file, metadata) => {
                let text = io::read_to_string(file).unwrap();
                assert_eq!(metadata.len(), text.len() as u64);
                Ok(text)
            }
            Found::Directory => Ok("a directory".into()),
        }
    }

    #[test]
    fn finds_files_and_directories_beneath_the_root_only() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("root");
        fs::create_dir_all(inner.join("sub")).unwrap();
        fs::write(outer.path().join("secret"), "secret").unwrap();
        fs::write(inner.join("sub/file"), "inside").unwrap();
        symlink("../secret", inner.join("out")).unwrap();
        symlink(outer.path(), inner.join("absolute")).unwrap();
        symlink("sub/../../secret", inner.join("sub-out")).unwrap();
        symlink("/proc/self/root", inner.join("sub/magic")).unwrap();
        symlink("sub/file", inner.join("in")).unwrap();
        symlink("loop", inner.join("loop")).unwrap();
        for (name, root) in roots(&inner) {
            assert_eq!(content(&root, "sub/file").as_deref(), Ok("inside"), "{name}");
            assert_eq!(content(&root, "sub").as_deref(), Ok("a directory"), "{name}");
            let link = content(&root, "in");
            assert_eq!(link, if root.has_openat2 { Ok("inside".into()) } else { Err(FindError::NotFound) }, "{name}");
            let long = "n".repeat(300);
            let paths =
                ["out", "absolute/secret", "sub-out", "sub/magic/etc/passwd", "loop", "none", "sub/file/x", &long];
            for path in paths {
                assert_eq!(content(&root, path), Err(FindError::NotFound), "{name}: {path}");
            }
        }
        // Even if a path with `..` came this far.
        assert_eq!(content(&Root::open(&inner).unwrap(), "../secret"), Err(FindError::NotFound));
    }

    #[test]
    fn errors_say_whose_fault_it_is() {
        for (errno, expected) in [
            (Errno::ENOENT, FindError::NotFound),
            (Errno::EXDEV, FindError::NotFound),
            (Errno::EACCES, FindError::Forbidden),
            (Errno::EMFILE, FindError::Exhausted),
            (Errno::EIO, FindError::Failed),
        ] {
            assert_eq!(FindError::from(errno), expected, "{errno}");
        }
    }

    #[test]
    fn an_exchanged_directory_never_leads_out_of_the_root() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("root");
        fs::create_dir_all(inner.join("real")).unwrap();
        fs::create_dir(outer.path().join("outside")).unwrap();
        fs::write(inner.join("real/file"), "inside").unwrap();
        fs::write(outer.path().join("outside/file"), "secret").unwrap();
        symlink("real", inner.join("entry")).unwrap();
        let (stop_tx, stop_rx) = mpsc::channel::<()>();
        let directory = inner.clone();
        let exchanging = thread::spawn(move || {
            while stop_rx.try_recv() == Err(mpsc::TryRecvError::Empty) {
                for target in ["../outside", "real"] {
                    symlink(target, directory.join("next")).unwrap();
                    fs::rename(directory.join("next"), directory.join("entry")).unwrap();
                }
            }
        });
        let root = Root::open(&inner).unwrap();
        let (began, mut inside, mut outside) = (common::clock::now(), 0, 0);
        while inside + outside < 5_000 || inside == 0 || outside == 0 {
            match content(&root, "entry/file").as_deref() {
                Ok("inside") => inside += 1,
                Err(FindError::NotFound) => outside += 1,
                Ok(text) => panic!("{text}"),
                Err(FindError::Exhausted) => {} // each attempt raced with a rename
                Err(error) => panic!("{error:?}"),
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{inside} times inside, {outside} times outside");
        }
        drop(stop_tx);
        exchanging.join().unwrap();
    }

    #[test]
    fn a_fifo_is_not_found_and_does_not_block() {
        let directory = tempfile::tempdir().unwrap();
        mkfifo(&directory.path().join("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
        let (done_tx, done_rx) = mpsc::channel();
        let path = directory.path().to_owned();
        thread::spawn(move || {
            let found = roots(&path).map(|(_, root)| content(&root, "fifo"));
            let _ = done_tx.send(found);
        });
        let found = done_rx.recv_timeout(Duration::from_secs(10)).expect("it blocks");
        assert_eq!(found, [Err(FindError::NotFound), Err(FindError::NotFound)]);
    }
}
