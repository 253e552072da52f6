//! Suite `sockets`: chapter 1's echo server over TCP and UDP, its client, and the resolver demo.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use crate::Context;
use crate::client::Client;
use crate::process::ExitedProgram;

pub(super) mod clients;
pub(super) mod datagrams;
pub(super) mod programs;
pub(super) mod shutdown;
pub(super) mod streams;

/// Sends `bytes` and asserts that exactly these bytes come back.
fn assert_echo(client: &mut Client, bytes: &[u8]) {
    let mut writer = client.stream();
    let sent = bytes.to_vec();
    // On its own thread: an echo larger than the socket buffers must be read while it is sent.
    let sending = thread::spawn(move || writer.write_all(&sent));
    assert!(client.read_exact(bytes.len()) == bytes, "what came back is not what was sent");
    sending.join().unwrap().unwrap();
}

/// Runs another program of the chapter with `input` as its standard input, until it ends.
fn run_other(ctx: &Context, name: &str, args: &[&str], input: &[u8]) -> ExitedProgram {
    let mut child = Command::new(ctx.other_program(name))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (pid, children) = (i32::try_from(child.id()).unwrap(), ctx.children());
    children.add(pid);
    let (mut stdin, mut stderr, input) = (child.stdin.take().unwrap(), child.stderr.take().unwrap(), input.to_vec());
    // The program may end without having read all of its input.
    let writing = thread::spawn(move || _ = stdin.write_all(&input));
    let complaints = thread::spawn(move || {
        let mut text = String::new();
        _ = stderr.read_to_string(&mut text);
        text
    });
    let mut stdout = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    let status = child.wait().unwrap();
    children.remove(pid);
    writing.join().unwrap();
    ExitedProgram {
        code: status.code().unwrap_or_else(|| panic!("{name} {args:?}: {status}")),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: complaints.join().unwrap(),
    }
}

/// `addr` as the two arguments of the client.
fn words(addr: std::net::SocketAddr) -> [String; 2] {
    [addr.ip().to_string(), addr.port().to_string()]
}
