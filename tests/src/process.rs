//! A program under test as a process: started on port 0, watched, signalled, and always ended.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::children::Children;
use crate::client::Client;
use crate::cpu::CpuTime;
use crate::wait::{TEST_TIMEOUT, eventually, until};

/// The time limit of a program that should exit on its own: a name that does not resolve takes a while.
const RUN_DEADLINE: Duration = Duration::from_secs(40);

/// How the program is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Close our end of its standard output once it listens, as `| head -1` does.
    pub close_stdout: bool,
    /// Stop reading its standard output once it listens, as a pager does that waits for a key.
    pub unread_stdout: bool,
    /// The open file limit, soft and hard; that of the test run if absent.
    pub max_files: Option<u32>,
}

/// The exit code and output of a program that has exited.
#[derive(Debug)]
pub struct ExitedProgram {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A running program. Dropped: killed and waited for.
#[derive(Debug)]
pub struct Program {
    child: Child,
    addr: SocketAddr,
    stdout: OutputLines,
    stderr: OutputLines,
    children: Children,
}

impl Program {
    /// Starts a program that prints `listening on ADDR`; panics when it does not.
    pub fn begin(program: &Path, args: &[&str]) -> Self {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        Self::start(program, &args, Options::default(), Children::default())
    }

    /// Runs a program until it exits; panics when it does not.
    pub fn run_to_end(program: &Path, args: &[&str]) -> ExitedProgram {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        Self::run(program, &args, Children::default())
    }

    pub(crate) fn start(program: &Path, args: &[String], options: Options, children: Children) -> Self {
        let mut child = match options.max_files {
            None => spawn(program, args, &children),
            Some(limit) => {
                // A shell sets the limit and execs the program, so the process stays our child.
                let exec = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
                let mut all = vec!["-c".to_owned(), exec, program.display().to_string()];
                all.extend_from_slice(args);
                spawn(Path::new("sh"), &all, &children)
            }
        };
        let stderr = OutputLines::collect(child.stderr.take().expect("piped"), Options::default());
        let stdout = OutputLines::collect(child.stdout.take().expect("piped"), options);
        let addr = stdout.wait(TEST_TIMEOUT, |lines| {
            lines.iter().find_map(|line| line.strip_prefix("listening on ")?.trim().parse().ok())
        });
        let Some(addr) = addr else {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "{} {args:?} did not print `listening on ADDR`; stdout: {:?}; stderr: {:?}",
                program.display(),
                stdout.text(),
                stderr.text()
            );
        };
        Self { child, addr, stdout, stderr, children }
    }

    pub(crate) fn run(program: &Path, args: &[String], children: Children) -> ExitedProgram {
        let mut child = spawn(program, args, &children);
        let stderr = OutputLines::collect(child.stderr.take().expect("piped"), Options::default());
        let stdout = OutputLines::collect(child.stdout.take().expect("piped"), Options::default());
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut program = Self { child, addr, stdout, stderr, children };
        let status = program.wait(RUN_DEADLINE).unwrap_or_else(|| panic!("{args:?} did not end"));
        program.stdout.wait_closed();
        program.stderr.wait_closed();
        ExitedProgram {
            code: status.code().unwrap_or_else(|| panic!("{args:?} ended by {:?}", status.signal())),
            stdout: program.stdout.text(),
            stderr: program.stderr.text(),
        }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A new connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// Everything printed to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Everything printed to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until standard output contains `text`, and returns all of it.
    pub fn wait_stdout(&self, text: &str) -> String {
        let found = self.stdout.wait(TEST_TIMEOUT, |lines| {
            let all = lines.join("\n");
            all.contains(text).then_some(all)
        });
        found.unwrap_or_else(|| panic!("{text:?} is not on stdout: {:?}", self.stdout()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the program still exists");
    }

    /// Waits until it exits; `None` when it still runs after `within`.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        eventually(within, || self.child.try_wait().expect("our own child"))
    }

    /// Waits until it exits and returns the exit code.
    pub fn exit_code(&mut self, within: Duration) -> i32 {
        let status = self.wait(within).unwrap_or_else(|| panic!("still running after {within:?}"));
        status.code().unwrap_or_else(|| panic!("ended by signal {:?}", status.signal()))
    }

    /// Panics if the program has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().expect("our own child") {
            panic!("the program ended: {status}; stderr: {}", self.stderr());
        }
    }

    /// Resident memory now, in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most resident memory so far, in KiB.
    pub fn peak_rss_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// Open file descriptors.
    pub fn fds(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// How many open descriptors are of this kind: `socket`, `pipe`. Without `/proc`, none.
    pub fn fds_of(&self, kind: &str) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid())).into_iter().flatten().flatten();
        let targets = open.filter_map(|fd| fs::read_link(fd.path()).ok()); // one may have been closed meanwhile
        targets.filter(|target| target.to_string_lossy().starts_with(&format!("{kind}:"))).count()
    }

    /// The lowest free descriptor number: the next file gets it.
    ///
    /// # Panics
    /// Without `/proc`.
    pub fn next_fd(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the program still exists");
        let numbers: Vec<usize> = open.flatten().filter_map(|fd| fd.file_name().to_str()?.parse().ok()).collect();
        (0..=numbers.len()).find(|number| !numbers.contains(number)).expect("one more number than there are files")
    }

    /// The CPU time that it has used.
    pub fn cpu(&self) -> CpuTime {
        CpuTime::of(&self.pid().to_string()).unwrap_or_else(|error| panic!("the CPU time of the program: {error}"))
    }

    /// Whether all its threads sleep: then it has handled everything that was sent to it. Without `/proc`, `true`.
    pub fn is_idle(&self) -> bool {
        self.has_only_threads_in('S')
    }

    /// Stops it, until SIGCONT.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        until("the program is stopped", || self.has_only_threads_in('T'));
    }

    fn has_only_threads_in(&self, wanted: char) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid())) else { return true };
        // `123 (a name) S …`; a thread that has ended meanwhile has no such file.
        let stats = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
        stats.into_iter().all(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(wanted)))
    }

    /// The names of its threads, in alphabetical order. Without `/proc`, none.
    pub fn threads(&self) -> Vec<String> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        // One that has ended meanwhile has no such file.
        let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
        let mut names: Vec<_> = names.map(|name| name.trim_end().to_owned()).collect();
        names.sort();
        names
    }

    fn status_kib(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| panic!("no {key} in /proc/PID/status: has the program ended?"))
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.children.remove(self.pid().as_raw());
        if thread::panicking() {
            let text = self.stderr();
            let tail: Vec<_> = text.lines().rev().take(20).collect();
            for line in tail.iter().rev() {
                eprintln!("  program: {line}");
            }
        }
    }
}

fn spawn(program: &Path, args: &[impl AsRef<OsStr>], children: &Children) -> Child {
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    children.add(i32::try_from(child.id()).expect("a pid"));
    child
}

/// The lines of a pipe, collected by a thread.
#[derive(Debug)]
struct OutputLines(Arc<(Mutex<CollectedOutput>, Condvar)>);

#[derive(Debug, Default)]
struct CollectedOutput {
    lines: Vec<String>,
    closed: bool,
}

impl OutputLines {
    fn collect(pipe: impl Read + Send + 'static, options: Options) -> Self {
        let shared = Arc::new((Mutex::new(CollectedOutput::default()), Condvar::new()));
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                let last = (options.close_stdout || options.unread_stdout) && text.starts_with("listening on ");
                line.clear();
                writer.0.lock().unwrap().lines.push(text);
                writer.1.notify_all();
                if last {
                    break;
                }
            }
            if options.unread_stdout {
                std::mem::forget(pipe); // stays open and unread until the test run ends
            }
            writer.0.lock().unwrap().closed = true;
            writer.1.notify_all();
        });
        Self(shared)
    }

    /// Waits until `found` returns a value; gives up when the pipe closes or `within` has passed.
    fn wait<T>(&self, within: Duration, found: impl Fn(&[String]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let (lock, changed) = &*self.0;
        let mut output = lock.lock().unwrap();
        loop {
            let answer = found(&output.lines);
            let left = deadline.saturating_duration_since(Instant::now());
            if answer.is_some() || output.closed || left.is_zero() {
                return answer;
            }
            output = changed.wait_timeout(output, left).unwrap().0;
        }
    }

    fn wait_closed(&self) {
        self.wait(TEST_TIMEOUT, |_| None::<()>);
    }

    fn text(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }
}
