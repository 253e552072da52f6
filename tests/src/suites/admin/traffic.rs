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
use crate::wait::{StopOnDrop, until};

cases! { "admin";
    Fast no_request_fails_while_everything_changes,
    Fast a_removed_backend_finishes_its_slow_request,
    Fast a_raised_limit_admits_queued_requests,
}

const CLIENTS: usize = 8;
const ROUNDS: usize = 10;

/// The responses that the clients received, by backend.
#[derive(Debug, Default)]
struct ResponseCounts(Mutex<BTreeMap<String, usize>>);

impl ResponseCounts {
    fn count(&self, name: &str) -> usize {
        self.0.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    /// Waits until `name` has answered `count` more requests: it gets traffic.
    fn wait_for_more(&self, name: &str, count: usize) {
        let before = self.count(name);
        until(&format!("{name} answers"), || self.count(name) >= before + count);
    }

    /// Sends GETs and POSTs until it is stopped; each must be answered with 200.
    fn send_requests(&self, program: &Program, stop: &AtomicBool) {
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
    let (program, admin) = start(ctx, &[&a, &b], &["-a", "wrr"]);
    let (stop, got) = (AtomicBool::new(false), ResponseCounts::default());
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| got.send_requests(&program, &stop));
        }
        for round in 0..ROUNDS {
            admin.add_backend(c.addr());
            got.wait_for_more("c", 3 * CLIENTS);
            admin.set_weight(a.addr(), 5);
            admin.backend_action(b.addr(), "drain");
            got.wait_for_more("a", 5 * CLIENTS);
            let drained = got.count("b");
            got.wait_for_more("a", 5 * CLIENTS);
            assert!(got.count("b") <= drained + CLIENTS, "round {round}: a drained backend gets requests");
            admin.backend_action(b.addr(), "enable");
            admin.set_weight(a.addr(), 1);
            got.wait_for_more("b", CLIENTS);
            admin.remove(c.addr());
            // Requests that were in flight there may still finish.
            got.wait_for_more("a", CLIENTS);
            let removed = got.count("c");
            got.wait_for_more("a", 3 * CLIENTS);
            assert!(got.count("c") <= removed + CLIENTS, "round {round}: a removed backend gets requests");
        }
    });
    let none = |key: &str| {
        let list = admin.request_ok("GET", "/backends", "");
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
    let (program, admin) = start(ctx, &[&slow], &[]);
    let mut waiting = program.client();
    waiting.request("GET", "/", "");
    slow.wait_for("the slow request", |seen| seen.iter().any(|conn| conn.count > 0));
    admin.add_backend(quick.addr());
    assert_eq!(admin.remove(slow.addr())["in_flight"], 1);
    assert_eq!(admin.backend_names(), [quick.addr().to_string()]);
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
    let (program, admin) = start(ctx, &[&backend], &["--queue-timeout", "60s"]);
    let limit = |limit: &str| {
        let target = format!("/backends/{}/max-connections", backend.addr());
        admin.request_ok("PUT", &target, &format!(r#"{{"max_connections": {limit}}}"#))
    };
    assert_eq!(limit("1")["max_connections"], 1);
    let mut clients = [program.client(), program.client(), program.client()];
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    until("two are queued", || admin.request_ok("GET", "/groups", "")["groups"][0]["queued"] == 2);
    // The slot is taken before the connect.
    until("the first reaches the backend", || asked.load(Ordering::SeqCst) == 1);
    limit("null");
    until("all reach the backend", || asked.load(Ordering::SeqCst) == 3);
    drop(release);
    for client in &mut clients {
        assert_eq!(client.response("GET").text(), "done");
    }
}
