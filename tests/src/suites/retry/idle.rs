//! Idle connections: the backend may close one in the moment it is reused.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::{RequestLog, answer, logging};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::rng::Rng;
use crate::suites::local_reply;
use crate::wait::{ms, pause};

cases! { "retry";
    Fast a_connection_that_ended_while_idle_costs_no_request,
    Fast connections_that_end_at_any_moment_never_double_a_post,
    Fast a_backend_restart_between_requests_is_invisible,
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
    let addr = first.addr();
    let program = ctx.start(&[addr], &["--down-time", "100ms"]);
    let mut client = program.client();
    assert_eq!(client.get("/").status(), 200);
    drop(first);
    let _second = Backend::start_on(addr, |conn| {
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
