//! Suite `files`: chapter 9's second program, a static file server whose bodies go by `sendfile(2)`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::Context;
use crate::client::{Client, Response};
use crate::process::{ExitedProgram, Options, Program};
use crate::wait::{TEST_TIMEOUT, eventually};

pub(super) mod bodies;
pub(super) mod browser;
pub(super) mod conditions;
pub(super) mod paths;
pub(super) mod peers;
pub(super) mod program;
pub(super) mod ranges;
pub(super) mod requests;
pub(super) mod slow;
pub(super) mod traversal;

const PROGRAM: &str = "file_server";

/// A directory with files to serve, gone when dropped. Its parent belongs to it too, for files outside of the root.
#[derive(Debug)]
struct Site {
    parent: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { parent: TempDir::new().unwrap() };
        fs::create_dir(site.root()).unwrap();
        site
    }

    fn root(&self) -> PathBuf {
        self.parent.path().join("root")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file, in directories that are created. It is an hour old, so that its entity tag is strong.
    fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        set_modified(&path, SystemTime::now() - Duration::from_hours(1));
    }

    /// Starts the program on a port of the kernel's choice.
    fn start(&self, ctx: &Context, flags: &[&str]) -> Program {
        let root = self.root();
        let args = words(&["0", root.to_str().unwrap()], flags);
        Program::start(ctx.other_program(PROGRAM), &args, Options::default(), ctx.children())
    }
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn words(positional: &[&str], flags: &[&str]) -> Vec<String> {
    positional.iter().chain(flags).map(ToString::to_string).collect()
}

/// Runs the program until it exits.
fn run(ctx: &Context, positional: &[&str], flags: &[&str]) -> ExitedProgram {
    Program::run(ctx.other_program(PROGRAM), &words(positional, flags), ctx.children())
}

/// A request without a body, with `extra` header lines, and its response.
fn ask(client: &mut Client, method: &str, target: &str, extra: &str) -> Response {
    client.request(method, target, extra);
    client.response(method)
}

/// The counters of a table that is printed now: requests, bytes by sendfile, bytes by copy.
fn counters(program: &Program) -> [u64; 3] {
    let tables = |said: &str| said.matches("--- statistics").count();
    let before = tables(&program.stdout());
    program.signal(Signal::SIGUSR1);
    let table = eventually(TEST_TIMEOUT, || {
        let said = program.stdout();
        let table = said.rsplit("--- statistics").next()?;
        let number = |name| table.lines().find_map(|line| line.strip_prefix(name)?.split(' ').next()?.parse().ok());
        let row = [number("requests: ")?, number("bytes by sendfile: ")?, number("bytes by copy: ")?];
        (tables(&said) > before).then_some(row)
    });
    table.unwrap_or_else(|| panic!("no table: {}", program.stdout()))
}
