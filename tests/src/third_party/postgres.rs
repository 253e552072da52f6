//! A PostgreSQL server, where it is installed.

use std::{
    net::{SocketAddr, TcpStream},
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    process::{Child, Command, Stdio},
};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::backend::{ReservedPort, reserved_port};
use crate::wait::until;

/// The user `nobody`, by convention, and its group.
const NOBODY: u32 = 65_534;

/// A running `postgres` with an empty database. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    child: Child,
    port: ReservedPort,
    _data: TempDir,
}

impl Postgres {
    /// Starts it on a free port. `None`, and a line that says so, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().to_str().unwrap();
        let mut initdb = command("initdb", &data);
        initdb.args(["-D", directory, "-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"]);
        if !initdb.status().is_ok_and(|status| status.success()) {
            println!("skipped: initdb is not installed, or fails");
            return None;
        }
        let port = reserved_port();
        let number = port.addr.port().to_string();
        let flags = ["-D", directory, "-h", "127.0.0.1", "-p", &number, "-k", "", "-F"];
        let child = command("postgres", &data).args(flags).spawn().expect("it is there with initdb");
        let postgres = Self { child, port, _data: data };
        until("postgres listens", || TcpStream::connect(postgres.addr()).is_ok());
        Some(postgres)
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.port.addr
    }
}

/// A command of PostgreSQL that may use `data`. It refuses to run as root, so then it runs as `nobody`.
fn command(name: &str, data: &TempDir) -> Command {
    let mut command = Command::new(name);
    command.current_dir(data.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The directory belongs to the user that runs this test, or was given away by an earlier call.
    if [0, NOBODY].contains(&data.path().metadata().unwrap().uid()) {
        chown(data.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT: it ends its own processes too, and at once.
        let pid = Pid::from_raw(self.child.id().try_into().expect("a pid"));
        let _ = kill(pid, Signal::SIGQUIT);
        let _ = self.child.wait();
    }
}
