//! Suite `balance`: exact round robin per request, and a statistics table that agrees.

use std::net::SocketAddr;
use std::thread;

use nix::sys::signal::Signal;

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;

cases! { "balance";
    Fast requests_of_one_connection_go_round_robin,
    Fast pipelined_requests_go_round_robin,
    Fast ten_thousand_requests_of_a_hundred_clients_are_shared_exactly,
    Fast the_statistics_table_agrees_with_what_the_backends_saw,
    Fast bundled_backends_are_picked_round_robin,
    Fast rejected_requests_do_not_advance_round_robin,
}

pub(super) fn named(names: &[&'static str]) -> Vec<Backend> {
    names.iter().map(|name| Backend::ok(name)).collect()
}

pub(super) fn addrs(backends: &[Backend]) -> Vec<SocketAddr> {
    backends.iter().map(Backend::addr).collect()
}

/// Each of the three backends once in every three requests, in the same order.
pub(super) fn assert_round_robin(answers: &[String]) {
    assert!(answers.len() >= 6, "{answers:?}");
    let mut first = answers[..3].to_vec();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), 3, "{answers:?}");
    assert!(answers.chunks(3).all(|turn| turn == &answers[..turn.len()]), "{answers:?}");
}

fn requests_of_one_connection_go_round_robin(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs(&backends), &[]);
    let mut client = program.client();
    let answers: Vec<_> = (0..9).map(|_| client.get("/").text()).collect();
    assert_round_robin(&answers);
    // A new connection continues where the last one stopped.
    let mut client = program.client();
    let more: Vec<_> = (0..9).map(|_| client.get("/").text()).collect();
    assert_eq!(more, answers);
}

fn pipelined_requests_go_round_robin(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs(&backends), &[]);
    let mut client = program.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(9));
    let answers: Vec<_> = (0..9).map(|_| client.response("GET").text()).collect();
    assert_round_robin(&answers);
}

fn ten_thousand_requests_of_a_hundred_clients_are_shared_exactly(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs(&backends), &[]);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut client = program.client();
                for _ in 0..100 {
                    assert_eq!(client.get("/").status(), 200);
                }
            });
        }
    });
    let counts: Vec<_> = backends.iter().map(Backend::connections).collect();
    assert_eq!(counts.iter().sum::<usize>(), 10_000, "{counts:?}");
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 1, "{counts:?}");
}

/// The row of a backend in the table: state, active, total, failed.
pub(super) fn row(table: &str, addr: SocketAddr) -> (String, u64, u64, u64) {
    let addr = addr.to_string();
    let row = table
        .lines()
        .rev()
        .map(str::split_whitespace)
        .find_map(|mut words| (words.next() == Some(&addr)).then(|| words.map(str::to_owned).collect::<Vec<_>>()));
    let row = row.unwrap_or_else(|| panic!("no row for {addr} in:\n{table}"));
    let number = |at: usize| row[at].parse().unwrap_or_else(|_| panic!("{row:?}"));
    assert!(row.len() >= 4, "{row:?}");
    (row[0].clone(), number(1), number(2), number(3))
}

/// Requests the table and waits until it counts `requests`.
pub(super) fn table(program: &Program, requests: u64) -> String {
    let mut last = String::new();
    crate::wait::until("the table shows every request", || {
        let before = program.stdout().lines().filter(|l| l.starts_with("--- statistics")).count();
        program.signal(Signal::SIGUSR1);
        crate::wait::until("a table", || {
            let now = program.stdout();
            let tables = now.lines().filter(|l| l.starts_with("--- statistics")).count();
            tables > before && now.rsplit("--- statistics").next().unwrap().contains("failed")
        });
        crate::wait::pause(crate::wait::ms(30));
        let all = program.stdout();
        all.rsplit("--- statistics").next().unwrap().clone_into(&mut last);
        let count = requests.to_string();
        last.lines().any(|line| line.split_whitespace().take(2).eq(["requests", &count]))
    });
    last
}

fn the_statistics_table_agrees_with_what_the_backends_saw(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs(&backends), &[]);
    let mut client = program.client();
    for _ in 0..31 {
        assert_eq!(client.get("/").status(), 200);
    }
    let table = table(&program, 31);
    let header: Vec<_> = table
        .lines()
        .find(|line| line.trim_start().starts_with("backend"))
        .unwrap_or_else(|| panic!("no header in:\n{table}"))
        .split_whitespace()
        .collect();
    assert_eq!(header, ["backend", "state", "active", "total", "failed"]);
    for backend in &backends {
        let (state, active, total, failed) = row(&table, backend.addr());
        assert_eq!((state.as_str(), active, failed), ("UP", 0, 0), "{table}");
        assert_eq!(total, backend.connections() as u64, "{table}");
    }
}

fn bundled_backends_are_picked_round_robin(ctx: &Context) {
    let program = ctx.start_bundled(&[]);
    let mut client = program.client();
    let answers: Vec<_> =
        (0..9).map(|_| client.get("/").fields().get("x-server-id").expect("an id").to_owned()).collect();
    assert_round_robin(&answers);
}

fn rejected_requests_do_not_advance_round_robin(ctx: &Context) {
    let backends = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs(&backends), &[]);
    let mut client = program.client();
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(client.get("/").text());
        let mut refused = program.client();
        refused.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(refused.response("GET").status(), 400);
    }
    assert_round_robin(&answers);
}
