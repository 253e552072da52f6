//! Idle connections: the backend may close one in the moment it is reused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::{RequestLog, answer, logging};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::client::{Client, Response};
use crate::process::Program;
use crate::rng::Rng;
use crate::suites::local_reply;
use crate::suites::support::run_in_parallel;
use crate::third_party;
use crate::wait::{ms, pause};

cases! { "retry";
    Fast a_connection_that_ended_while_idle_costs_no_request,
    Fast connections_that_end_at_any_moment_never_double_a_post,
    Fast a_backend_restart_between_requests_is_invisible,
    Fast no_post_is_lost_to_a_backend_that_closes_at_once,
    Fast posts_reuse_the_connections_of_a_steady_backend,
    Fast a_keep_alive_timeout_of_the_backend_bounds_the_idle_time,
    Full no_post_is_lost_to_node,
}

fn a_connection_that_ended_while_idle_costs_no_request(ctx: &Context) {
    let log = RequestLog::default();
    let backend = logging(&log, |conn| {
        answer(conn);
        conn.close();
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for turn in 0..20 {
        // Long enough for the FIN to arrive: then a POST is safe too.
        pause(ms(20));
        let method = if turn % 2 == 0 { "GET" } else { "POST" };
        client.request(method, &format!("/{turn}"), if method == "POST" { "Content-Length: 2\r\n" } else { "" });
        client.send(if method == "POST" { "hi" } else { "" });
        assert_eq!(client.response(method).status(), 200, "{method} {turn}");
        assert_eq!(log.count(&format!("/{turn}")), 1);
    }
}

const CLIENTS: u64 = 16;
const REQUESTS: usize = 150;

fn connections_that_end_at_any_moment_never_double_a_post(ctx: &Context) {
    let log = RequestLog::default();
    let faulty = |seed: u64| {
        let rng = Mutex::new(Rng::new(seed));
        logging(&log, move |conn| {
            let (fault, micros) = {
                let mut rng = rng.lock().unwrap();
                (rng.below(4), rng.below(3_000))
            };
            answer(conn);
            if fault < 2 {
                pause(Duration::from_micros(micros as u64));
            }
            match fault {
                0 => conn.close(),
                1 => conn.reset(),
                _ => {}
            }
        })
    };
    let backends = [faulty(1), faulty(2), faulty(3)];
    let program = ctx.start(&backends.each_ref().map(Backend::addr), &[]);
    let answered: Vec<(String, u16)> = thread::scope(|scope| {
        let one = |number: u64| {
            let (mut rng, mut client) = (Rng::new(100 + number), program.client());
            let ask = |turn: usize| {
                pause(Duration::from_micros(rng.below(3_000) as u64));
                let method = if rng.below(2) == 0 { "GET" } else { "POST" };
                let target = format!("/{method}/{number}/{turn}");
                client.request(method, &target, if method == "POST" { "Content-Length: 2\r\n" } else { "" });
                if method == "POST" {
                    // In its own segment: the connection may end between the head and the body.
                    pause(Duration::from_micros(rng.below(500) as u64));
                    client.send("hi");
                }
                let response = client.response(method);
                if response.status() != 200 {
                    local_reply::assert_local(&response, 502);
                }
                // A response that came before the body was read is the last one of its connection.
                if response.head.says_close() {
                    client = program.client();
                }
                (target, response.status())
            };
            (0..REQUESTS).map(ask).collect::<Vec<_>>()
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || one(number))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let mut executed = BTreeMap::new();
    for (_, target, _) in log.lines() {
        *executed.entry(target).or_insert(0) += 1;
    }
    let is_post = |target: &str| target.starts_with("/POST");
    let doubled: Vec<_> = executed.iter().filter(|(target, times)| is_post(target) && **times > 1).collect();
    assert!(doubled.is_empty(), "executed more than once: {doubled:?}");
    for (target, status) in &answered {
        assert!(*status == 200 || is_post(target), "{target}: {status}, although a GET can be retried");
        assert!(*status != 200 || executed.contains_key(target), "{target} was answered by no backend");
    }
    let reused = backends.iter().map(Backend::connections).sum::<usize>() < answered.len();
    assert!(reused, "no connection was reused, so nothing was tested");
}

fn a_backend_restart_between_requests_is_invisible(ctx: &Context) {
    let log = RequestLog::default();
    let first = logging(&log, answer);
    let program = ctx.start(&[first.addr()], &["--down-time", "100ms"]);
    let mut client = program.client();
    assert_eq!(client.get("/").status(), 200);
    let _second = Backend::start_on(first.stop(), |conn| {
        while conn.request().is_ok() {
            answer(conn);
        }
    });
    for method in ["POST", "GET"] {
        client.request(method, "/", if method == "POST" { "Content-Length: 2\r\n" } else { "" });
        client.send(if method == "POST" { "hi" } else { "" });
        assert_eq!(client.response(method).status(), 200, "{method}");
    }
}

/// In one segment: a response that comes before the body is the last of its connection.
fn post(client: &mut Client, target: &str) -> Response {
    client.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi"));
    client.response("POST")
}

/// Its FIN follows the response, which does not say `close`: a connection may still look open when it is chosen.
fn no_post_is_lost_to_a_backend_that_closes_at_once(ctx: &Context) {
    let log = RequestLog::default();
    let backend = logging(&log, |conn| {
        answer(conn);
        conn.close();
    });
    let program = ctx.start(&[backend.addr()], &[]);
    run_in_parallel(2, |number| {
        let mut client = program.client();
        for turn in 0..500 {
            let response = post(&mut client, &format!("/{number}/{turn}"));
            assert_eq!(response.status(), 200, "client {number}, POST {turn}: {response:?}");
        }
    });
    assert_eq!(log.lines().len(), 1_000);
}

fn posts_reuse_the_connections_of_a_steady_backend(ctx: &Context) {
    let log = RequestLog::default();
    let backend = logging(&log, answer);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for turn in 0..3_000 {
        assert_eq!(post(&mut client, &format!("/{turn}")).status(), 200);
    }
    assert!(backend.connections() <= 30, "{} connections for 3000 POSTs", backend.connections());
}

fn a_keep_alive_timeout_of_the_backend_bounds_the_idle_time(ctx: &Context) {
    for (announced, idle_for, connections) in [("2", 0, 1), ("2", 1_050, 2), ("1", 0, 2), ("0, max=7", 0, 2)] {
        let log = RequestLog::default();
        let head = format!("HTTP/1.1 200 OK\r\nKeep-Alive: timeout={announced}\r\nContent-Length: 0\r\n\r\n");
        let backend = logging(&log, move |conn| {
            conn.write(&head);
        });
        let program = ctx.start(&[backend.addr()], &[]);
        let mut client = program.client();
        for _ in 0..2 {
            let response = client.get("/");
            assert_eq!((response.status(), response.fields().get("keep-alive")), (200, None));
            pause(ms(idle_for));
        }
        assert_eq!(backend.connections(), connections, "timeout={announced}, idle for {idle_for} ms");
    }
}

/// Node closes after 5 s, which it announces. Half of these clients wait for as long, the others do not.
fn no_post_is_lost_to_node(ctx: &Context) {
    const SERVER: &str = "const s = require('http').createServer((q, r) => { q.resume(); r.end('ok') }); \
                          s.listen(0, '127.0.0.1', () => console.log('listening on 127.0.0.1:' + s.address().port))";
    if third_party::run("node", &["--version"], b"").is_none() {
        return;
    }
    let node = Program::begin(Path::new("node"), &["-e", SERVER]);
    let program = ctx.start(&[node.addr()], &[]);
    run_in_parallel(20, |number| {
        let (mut client, mut rng) = (program.client(), Rng::new(number as u64));
        for turn in 0..50 {
            let response = post(&mut client, "/");
            assert_eq!(response.status(), 200, "client {number}, POST {turn}: {response:?}");
            if number % 2 == 0 && turn % 10 == 0 {
                pause(Duration::from_micros(4_995_000 + rng.below(10_000) as u64));
            }
        }
    });
}
