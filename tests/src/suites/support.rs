//! Helpers of several suites: ports that refuse connects or time out, groups of clients, command lines that must fail.

use std::io::Write as _;
use std::net::SocketAddr;
use std::thread;

use crate::Context;
use crate::backend::Backend;
pub(super) use crate::backend::reserved_port;
pub(super) use crate::black_hole::black_hole;
use crate::client::Client;
use crate::process::Program;
use crate::wait::{TEST_TIMEOUT, eventually, ms, pause, until};
use nix::sys::signal::Signal;

/// Backends that answer each request with their name and close, and their addresses.
pub(super) fn named(names: &[&str]) -> (Vec<Backend>, Vec<SocketAddr>) {
    let backends: Vec<_> = names.iter().map(|name| Backend::ok(name)).collect();
    let addrs = backends.iter().map(Backend::addr).collect();
    (backends, addrs)
}

/// `count` clients, each of which has sent a request.
pub(super) fn requesting_clients(program: &Program, count: usize) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count).map(|_| program.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    clients
}

/// How many of the clients have an unread response.
pub(super) fn count_responded(clients: &mut [Client]) -> usize {
    clients.iter_mut().map(Client::has_unread_input).filter(|has| *has).count()
}

/// Runs `work` on one thread per number, all at once, and waits for all.
pub(super) fn run_in_parallel(threads: usize, work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..threads {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
}

/// Waits until every thread of the program sleeps, so that it has handled everything that was sent to it.
pub(super) fn wait_until_idle(program: &Program) {
    let mut idle_samples = 0;
    until("the program is idle", || {
        pause(ms(4));
        idle_samples = if program.is_idle() { idle_samples + 1 } else { 0 };
        idle_samples == 4
    });
}

/// How many clients each of the `loops` workers has, by a statistics table that is printed now.
pub(super) fn clients_per_worker(program: &Program, loops: usize) -> Vec<usize> {
    let tables = |said: &str| said.matches("--- statistics").count();
    let before = tables(&program.stdout());
    program.signal(Signal::SIGUSR1);
    let table = eventually(TEST_TIMEOUT, || {
        let said = program.stdout();
        let rows = said.rsplit("--- statistics").next()?.lines().filter_map(connections_of_worker).collect::<Vec<_>>();
        (tables(&said) > before && rows.len() == loops).then_some(rows)
    });
    table.unwrap_or_else(|| panic!("no line for each of {loops} workers: {}", program.stdout()))
}

/// The number in `worker 0: 3 client connections`.
fn connections_of_worker(line: &str) -> Option<usize> {
    let (_, connections) = line.strip_prefix("worker ")?.strip_suffix(" client connections")?.split_once(": ")?;
    connections.parse().ok()
}

/// A file with a secret in it, gone when dropped.
pub(super) fn secret_file(secret: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(secret.as_bytes()).unwrap();
    file
}

/// Asserts that the program rejects this command line with exit code 64 and one line that contains `says`.
pub(super) fn assert_usage_error(ctx: &Context, line: &[&str], says: &str) {
    let finished = ctx.run(line);
    assert_eq!(finished.code, 64, "{line:?}: {finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{line:?}: one line on stderr: {finished:?}");
    assert!(finished.stderr.contains(says), "{line:?}: it should say {says:?}: {finished:?}");
    assert!(!finished.stderr.contains("panicked") && finished.stdout.is_empty(), "{line:?}: {finished:?}");
}

/// How often `--log-requests` has logged a request with this method and status: on stderr, and from chapter 8 on as JSON on
/// stdout.
pub(super) fn logged(program: &Program, method: &str, status: u16) -> usize {
    let (text, json) = (format!("{method} {status} "), format!("\"status\":{status},"));
    let method = format!("\"method\":\"{method}\"");
    let on_stdout = program.stdout().lines().filter(|line| line.contains(&method) && line.contains(&json)).count();
    program.stderr().matches(&text).count() + on_stdout
}
