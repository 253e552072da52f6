//! Suite `forward`: chapter 2's second program, a forward proxy for clients that are configured to use it.

use crate::Context;
use crate::client::{Client, Response};
use crate::process::{ExitedProgram, Options, Program};

pub(super) mod access;
pub(super) mod peers;
pub(super) mod program;
pub(super) mod refused;
pub(super) mod requests;
pub(super) mod tunnel_ends;
pub(super) mod tunnels;

const PROGRAM: &str = "forward_proxy";

fn words(port: &str, flags: &[&str]) -> Vec<String> {
    std::iter::once(port).chain(flags.iter().copied()).map(str::to_owned).collect()
}

/// Starts the program on a port of the kernel's choice.
fn start(ctx: &Context, flags: &[&str]) -> Program {
    Program::start(ctx.other_program(PROGRAM), &words("0", flags), Options::default(), ctx.children())
}

/// Runs it until it exits.
fn run(ctx: &Context, port: &str, flags: &[&str]) -> ExitedProgram {
    Program::run(ctx.other_program(PROGRAM), &words(port, flags), ctx.children())
}

/// A request without a body for `url`, with `extra` header lines, and its response.
fn ask(client: &mut Client, method: &str, url: &str, extra: &str) -> Response {
    client.send(format!("{method} {url} HTTP/1.1\r\nHost: proxy.test\r\n{extra}\r\n"));
    client.response(method)
}

/// CONNECT and the status of the response; after a 200 the tunnel is open.
fn connect(client: &mut Client, authority: impl std::fmt::Display) -> u16 {
    client.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
    let head = client.reader().response_head().unwrap_or_else(|error| panic!("the answer to CONNECT: {error:?}"));
    assert!(head.status != 200 || !head.fields.has("content-length") && !head.fields.has("transfer-encoding"));
    head.status
}

/// A client with a tunnel to `authority`.
fn tunnel(program: &Program, authority: impl std::fmt::Display) -> Client {
    let mut client = program.client();
    assert_eq!(connect(&mut client, authority), 200);
    client
}
