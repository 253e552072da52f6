//! A child process: pinned from its first instruction, its output written to files, killed with all its children when
//! it is dropped.

use std::{
    fs::{self, File},
    io,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

use integration_tests::wait::{TEST_TIMEOUT, eventually};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use crate::kernel;

/// Where a program runs and where its output goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space<'a> {
    /// The CPU cores that it is pinned to.
    pub(crate) cores: &'a [usize],
    /// The CPU cores of the calling thread.
    pub(crate) home: &'a [usize],
    /// The directory of its files.
    pub(crate) directory: &'a Path,
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: process::Child,
    stdout: PathBuf,
    stderr: PathBuf,
    killed: bool,
}

impl Child {
    /// Starts `command` as the leader of its own process group: so a Ctrl-C at the terminal reaches only us, and we end
    /// the whole group.
    pub(crate) fn start(name: &str, mut command: Command, space: Space<'_>) -> io::Result<Self> {
        let stdout = space.directory.join(format!("{name}.out"));
        let stderr = space.directory.join(format!("{name}.err"));
        command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?).process_group(0);
        // A process inherits the affinity of the thread that starts it, so it never runs on another core, as it would
        // before a `taskset` from outside.
        kernel::pin(space.cores)?;
        let process = command.spawn();
        kernel::pin(space.home)?;
        let process = process.map_err(|error| {
            io::Error::other(format!("{name}: {}: {error}", command.get_program().to_string_lossy()))
        })?;
        Ok(Self { name: name.to_owned(), process, stdout, stderr, killed: false })
    }

    pub(crate) fn pid(&self) -> i32 {
        // The kernel's own type for it is signed.
        self.process.id().cast_signed()
    }

    /// The address it listens on: from a line `listening on ADDR`, which all programs of this workspace print.
    pub(crate) fn listening(&mut self) -> io::Result<SocketAddr> {
        let stdout = self.stdout.clone();
        self.becomes("print where it listens", || {
            let text = fs::read_to_string(&stdout).unwrap_or_default();
            text.lines().find_map(|line| line.strip_prefix("listening on ")?.trim().parse().ok())
        })
    }

    /// Waits until `probe` returns a value. An error if the program exits meanwhile, or takes too long.
    pub(crate) fn becomes<T>(&mut self, what: &str, mut probe: impl FnMut() -> Option<T>) -> io::Result<T> {
        let mut ended = None;
        let found = eventually(TEST_TIMEOUT, || {
            // First the exit: its output before that can still be read afterwards.
            ended = self.process.try_wait().ok().flatten();
            match probe() {
                Some(found) => Some(Some(found)),
                None => ended.is_some().then_some(None),
            }
        });
        found.flatten().ok_or_else(|| {
            let how = ended.map_or_else(|| format!("did not {what}"), |status| format!("ended with {status}"));
            io::Error::other(format!("{} {how}{}", self.name, self.last_words()))
        })
    }

    /// Sends SIGINT, as a Ctrl-C does, and waits until it has exited.
    pub(crate) fn interrupt(&mut self) -> io::Result<()> {
        kill(Pid::from_raw(self.pid()), Signal::SIGINT)?;
        let ended = eventually(TEST_TIMEOUT, || self.process.try_wait().ok().flatten());
        ended.map(|_| ()).ok_or_else(|| io::Error::other(format!("{} does not end", self.name)))
    }

    /// The last line on stderr.
    fn last_words(&self) -> String {
        let text = fs::read(&self.stderr).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().rfind(|line| !line.trim().is_empty()).map_or_else(String::new, |line| format!(": {line}"))
    }

    /// Kills it, and everything that it started.
    pub(crate) fn kill(&mut self) {
        // Once: afterwards its process id may be another process's.
        if std::mem::replace(&mut self.killed, true) {
            return;
        }
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::tree;

    fn shell(script: &str, directory: &Path) -> Child {
        let cores = kernel::allowed_cores().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start("script", command, Space { cores: &cores[..1], home: &cores, directory }).unwrap()
    }

    #[test]
    fn says_where_it_listens_and_ends_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = shell("echo ready; echo listening on 127.0.0.1:99; sleep 600 & wait", directory.path());
        assert_eq!(child.listening().unwrap().port(), 99);
        let all = eventually(TEST_TIMEOUT, || Some(tree(child.pid()).unwrap()).filter(|pids| pids.len() == 2)).unwrap();
        drop(child);
        let gone = |pid: &i32| match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Err(_) => true,
            Ok(stat) => stat.contains(") Z "), // not yet reaped by its new parent
        };
        assert!(eventually(TEST_TIMEOUT, || all.iter().all(gone).then_some(())).is_some(), "{all:?}");
    }

    #[test]
    fn early_exit_is_reported_with_the_last_stderr_line() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = shell("echo first >&2; echo no such port >&2; exit 3", directory.path());
        let error = child.listening().unwrap_err().to_string();
        assert_eq!(error, "script ended with exit status: 3: no such port");
    }

    #[test]
    fn program_that_is_missing_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let cores = kernel::allowed_cores().unwrap();
        let space = Space { cores: &cores, home: &cores, directory: directory.path() };
        let error = Child::start("ours", Command::new("/none/such"), space).unwrap_err().to_string();
        assert!(error.starts_with("ours: /none/such: "), "{error}");
    }
}
