//! The binary: its output, its exit.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::request;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backends"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running binary, killed if a test fails before it ends.
struct RunningBinary(Child);

impl Drop for RunningBinary {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl RunningBinary {
    fn start(args: &[&str], listeners: usize) -> (Self, Vec<SocketAddr>) {
        let mut running = Self(command(args).spawn().unwrap());
        let lines = BufReader::new(running.0.stdout.as_mut().unwrap()).lines();
        let addrs = lines
            .take(listeners)
            .map(|line| line.unwrap().strip_prefix("listening on ").unwrap().parse().unwrap())
            .collect();
        (running, addrs)
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
        self.0.wait().unwrap().code()
    }
}

fn run_to_error(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(args).output().unwrap();
    let line = String::from_utf8(stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "{args:?}: {line}");
    (status.code(), line)
}

#[test]
fn serves_until_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (running, addrs) = RunningBinary::start(&["0", "Zoe"], 1);
        assert_eq!(request(addrs[0], "GET /").json()["server_id"], "Zoe");
        assert_eq!(running.end(signal), Some(0), "{signal}");
    }
}

#[test]
fn serves_several_that_clear_each_others_faults() {
    let (running, addrs) = RunningBinary::start(&["0", "--count", "3"], 3);
    for (addr, id) in addrs.iter().zip(["backend-1", "backend-2", "backend-3"]) {
        assert_eq!(request(*addr, "GET /").json()["server_id"], id);
    }
    assert_eq!(request(addrs[0], "POST /_fault/down?id=backend-3").status, 200);
    assert_eq!(request(addrs[1], "POST /_fault/up?id=backend-3").status, 200);
    assert_eq!(request(addrs[2], "GET /").status, 200);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn serves_a_tcp_echo() {
    use std::io::{Read, Write};
    let (running, addrs) = RunningBinary::start(&["0", "--tcp-echo"], 1);
    let mut stream = std::net::TcpStream::connect(addrs[0]).unwrap();
    stream.set_read_timeout(Some(crate::client::DEADLINE)).unwrap();
    stream.write_all(b"ping").unwrap();
    let mut back = [0; 4];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"ping");
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn port_in_use_is_one_line_and_exit_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let (code, line) = run_to_error(&[&addr.port().to_string()]);
    assert_eq!(code, Some(1));
    assert!(line.contains(&addr.to_string()), "{line}");
}

#[test]
fn bad_command_line_is_one_line_and_exit_64() {
    for args in [
        &["70000"][..],
        &["nine"],
        &["0", "a", "b"],
        &["0", "no spaces"],
        &["--count", "0"],
        &["65535", "--count", "2"],
        &["--bind", "here"],
        &["--tcp-echo", "--count", "2"],
        &["--frob"],
    ] {
        let (code, line) = run_to_error(args);
        assert_eq!(code, Some(64), "{args:?}: {line}");
    }
}
