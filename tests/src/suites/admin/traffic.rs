//! Changes under traffic: no client notices.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::{answers, named, start};
use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::process::Program;
use crate::wait::{Stop, until};

cases! { "admin";
    Fast no_request_fails_while_everything_changes,
    Fast a_removed_backend_finishes_its_slow_request,
    Fast a_raised_limit_admits_queued_requests,
}

const CLIENTS: usize = 8;
const ROUNDS: usize = 10;

/// The responses that the clients received, by backend.
#[derive(Debug, Default)]
struct Answers(Mutex<BTreeMap<String, usize>>);

impl Answers {
    fn count(&self, name: &str) -> usize {
        self.0.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    /// Waits until `name` has answered `count` more requests: it gets traffic.
    fn until_more(&self, name: &str, count: usize) {
        let before = self.count(name);
        until(&format!("{name} answers"), || self.count(name) >= before + count);
    }

    /// Sends GETs and POSTs until it is stopped; each must be answered with 200.
    fn ask(&self, program: &Program, stop: &AtomicBool) {
        let mut client = program.client();
        while !stop.load(Ordering::Relaxed) {
            for method in ["GET", "POST"] {
                client.request(method, "/", if method == "POST" { "Content-Length: 2\r\n" } else { "" });
                if method == "POST" {
                    client.send("hi");
                }
                let response = client.response(method);
                assert_eq!(response.status(), 200, "{method}: {response:?}");
                *self.0.lock().unwrap().entry(response.text()).or_default() += 1;
            }
        }
    }
}

fn no_request_fails_while_everything_changes(ctx: &Context) {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let (program, panel) = start(ctx, &[&a, &b], &["-a", "wrr"]);
    let (stop, got) = (AtomicBool::new(false), Answers::default());
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| got.ask(&program, &stop));
        }
        for round in 0..ROUNDS {
            panel.add_backend(c.addr());
            got.until_more("c", 3 * CLIENTS);
            panel.weigh(a.addr(), 5);
            panel.tell(b.addr(), "drain");
            got.until_more("a", 5 * CLIENTS);
            let drained = got.count("b");
            got.until_more("a", 5 * CLIENTS);
            assert!(got.count("b") <= drained + CLIENTS, "round {round}: a drained backend gets requests");
            panel.tell(b.addr(), "enable");
            panel.weigh(a.addr(), 1);
            got.until_more("b", CLIENTS);
            panel.remove(c.addr());
            // Requests that were in flight there may still finish.
            got.until_more("a", CLIENTS);
            let removed = got.count("c");
            got.until_more("a", 3 * CLIENTS);
            assert!(got.count("c") <= removed + CLIENTS, "round {round}: a removed backend gets requests");
        }
    });
    let none = |key: &str| {
        let list = panel.done("GET", "/backends", "");
        list["backends"].as_array().expect("a list").iter().all(|row| row[key] == 0)
    };
    // A client may have its response a moment before the slot is released.
    until("no request is in flight", || none("in_flight"));
    assert!(none("failed"), "no backend has failed");
}

fn a_removed_backend_finishes_its_slow_request(ctx: &Context) {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let slow = Backend::start(move |conn| {
        if conn.request().is_ok() && released.lock().unwrap().recv().is_ok() {
            conn.write(ok_response("slow"));
        }
    });
    let quick = named("quick ");
    let (program, panel) = start(ctx, &[&slow], &[]);
    let mut waiting = program.client();
    waiting.request("GET", "/", "");
    slow.wait_for("the slow request", |seen| seen.iter().any(|conn| conn.count > 0));
    panel.add_backend(quick.addr());
    assert_eq!(panel.remove(slow.addr())["in_flight"], 1);
    assert_eq!(panel.names(), [quick.addr().to_string()]);
    assert_eq!(answers(&mut program.client(), 10), "quick ".repeat(10));
    release.send(()).unwrap();
    assert_eq!(waiting.response("GET").text(), "slow");
    assert_eq!(answers(&mut waiting, 2), "quick quick ");
    assert_eq!(slow.connections(), 1, "it got one request");
}

fn a_raised_limit_admits_queued_requests(ctx: &Context) {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&asked);
    let backend = Backend::start(move |conn| {
        if conn.request().is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = released.lock().unwrap().recv();
            conn.write(ok_response("done"));
        }
    });
    let (program, panel) = start(ctx, &[&backend], &["--queue-timeout", "60s"]);
    let limit = |limit: &str| {
        let target = format!("/backends/{}/max-connections", backend.addr());
        panel.done("PUT", &target, &format!(r#"{{"max_connections": {limit}}}"#))
    };
    assert_eq!(limit("1")["max_connections"], 1);
    let mut clients = [program.client(), program.client(), program.client()];
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    until("two are queued", || panel.done("GET", "/groups", "")["groups"][0]["queued"] == 2);
    // The slot is taken before the connect.
    until("the first reaches the backend", || asked.load(Ordering::SeqCst) == 1);
    limit("null");
    until("all reach the backend", || asked.load(Ordering::SeqCst) == 3);
    drop(release);
    for client in &mut clients {
        assert_eq!(client.response("GET").text(), "done");
    }
}
