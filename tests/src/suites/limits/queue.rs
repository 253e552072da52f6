//! The queue: first in, first out, bounded in length and in time.

use std::time::{Duration, Instant};

use super::{GatedBackend, queue_request, wait_until_idle};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::client::{Client, Response};
use crate::suites::local_reply;
use crate::wait::{TEST_TIMEOUT, ms, until};

cases! { "limits";
    Fast queued_requests_are_served_in_order_of_arrival,
    Fast no_request_overtakes_the_queue,
    Fast a_full_queue_is_503_at_once,
    Fast without_a_queue_a_full_backend_is_503_at_once,
    Fast a_request_queued_for_too_long_is_503,
    Fast a_request_with_a_body_waits_like_any_other,
    Fast each_group_has_a_queue_of_its_own,
}

/// The response when the queue is full.
fn assert_full(response: &Response) {
    local_reply::assert_local(response, 503);
    assert_eq!(response.fields().get("retry-after"), Some("1"), "{response:?}");
    assert!(!response.head.says_close(), "the connection stays open: {response:?}");
}

fn at_once(client: &mut Client) {
    let began = Instant::now();
    assert_full(&client.get("/refused"));
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
}

fn queued_requests_are_served_in_order_of_arrival(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = ctx.start(&[gated.backend.addr()], &["--max-connections", "2", "--queue-timeout", "60s"]);
    let targets: Vec<_> = (0..20).map(|number| format!("/{number}")).collect();
    let arrived = |count: usize| until("the next in the queue arrives", || gated.requests().len() == count);
    let mut clients = Vec::new();
    for (target, count) in targets.iter().zip(1..) {
        clients.push(queue_request(&program, target));
        arrived(count.min(2));
    }
    for answered in 1..=20 {
        // One at a time: two that are released together may arrive in any order.
        gated.gate.open(1);
        arrived((answered + 2).min(20));
    }
    for client in &mut clients {
        assert_eq!(client.response("GET").status(), 200);
    }
    assert_eq!(gated.requests(), targets);
}

fn no_request_overtakes_the_queue(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = ctx.start(&[gated.backend.addr()], &["--max-connections", "1", "--queue-timeout", "60s"]);
    let mut first = queue_request(&program, "/first");
    let mut second = queue_request(&program, "/second");
    gated.gate.open(1);
    assert_eq!(first.response("GET").status(), 200);
    // The balancer is reading from its connection, and still the request has to be queued.
    let mut third = queue_request(&program, "/third");
    first.request("GET", "/again", "");
    wait_until_idle(&program);
    gated.gate.open(3);
    for client in [&mut second, &mut third, &mut first] {
        assert_eq!(client.response("GET").status(), 200);
    }
    assert_eq!(gated.requests(), ["/first", "/second", "/third", "/again"]);
}

fn a_full_queue_is_503_at_once(ctx: &Context) {
    let gated = GatedBackend::start();
    let flags = ["--max-connections", "1", "--queue", "2", "--queue-timeout", "60s"];
    let program = ctx.start(&[gated.backend.addr()], &flags);
    let mut queued: Vec<_> = ["/0", "/1", "/2"].iter().map(|target| queue_request(&program, target)).collect();
    let mut client = program.client();
    at_once(&mut client);
    at_once(&mut client);
    // In one segment: the connection stays open only if the request was read whole before it was rejected.
    client.send("POST /refused HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody");
    assert_full(&client.response("POST"));
    gated.gate.open(4);
    for client in &mut queued {
        assert_eq!(client.response("GET").status(), 200);
    }
    assert_eq!(client.get("/3").status(), 200, "the queue has room again");
    assert_eq!(gated.requests(), ["/0", "/1", "/2", "/3"]);
}

fn without_a_queue_a_full_backend_is_503_at_once(ctx: &Context) {
    let gated = GatedBackend::start();
    let flags = ["--max-connections", "1", "--queue", "0", "--queue-timeout", "60s"];
    let program = ctx.start(&[gated.backend.addr()], &flags);
    let mut served = queue_request(&program, "/0");
    gated.wait_for_requests(&["/0"]);
    at_once(&mut program.client());
    gated.gate.open(1);
    assert_eq!(served.response("GET").status(), 200);
}

fn a_request_queued_for_too_long_is_503(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = ctx.start(&[gated.backend.addr()], &["--max-connections", "1", "--queue-timeout", "300ms"]);
    let mut served = queue_request(&program, "/0");
    gated.wait_for_requests(&["/0"]);
    let mut client = program.client();
    for _ in 0..2 {
        let began = Instant::now();
        let response = client.get("/late");
        let took = began.elapsed();
        assert_full(&response);
        assert!(took >= ms(300) && took < TEST_TIMEOUT / 2, "it took {took:?}");
    }
    gated.gate.open(2);
    assert_eq!(served.response("GET").status(), 200);
    assert_eq!(client.get("/1").status(), 200);
    assert_eq!(gated.requests(), ["/0", "/1"], "the rejected request did not reach the backend");
}

fn a_request_with_a_body_waits_like_any_other(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = ctx.start(&[gated.backend.addr()], &["--max-connections", "1", "--queue-timeout", "60s"]);
    let mut served = queue_request(&program, "/0");
    gated.wait_for_requests(&["/0"]);
    let body = "0123456789abcdef".repeat(2048);
    let mut poster = program.client();
    poster.request("POST", "/1", &format!("Content-Length: {}\r\n", body.len()));
    poster.send(&body[..1000]);
    wait_until_idle(&program);
    poster.send(&body[1000..]);
    let mut waits = queue_request(&program, "/2");
    gated.gate.open(3);
    assert_eq!(served.response("GET").status(), 200);
    assert!(poster.response("POST").text() == body, "the body differs");
    assert_eq!(waits.response("GET").status(), 200);
    assert_eq!(gated.requests(), ["/0", "/1", "/2"]);
}

fn each_group_has_a_queue_of_its_own(ctx: &Context) {
    let (gated, api) = (GatedBackend::start(), Backend::ok("api"));
    let group = format!("api={}", api.addr());
    let flags = ["--max-connections", "1", "--queue-timeout", "60s", "--group", &group, "--route", "path=/api -> api"];
    let program = ctx.start(&[gated.backend.addr()], &flags);
    let mut waiting: Vec<_> = ["/0", "/1"].iter().map(|target| queue_request(&program, target)).collect();
    let mut client = program.client();
    for _ in 0..5 {
        assert_eq!(client.get("/api").text(), "api");
    }
    gated.gate.open(2);
    for client in &mut waiting {
        assert_eq!(client.response("GET").status(), 200);
    }
}
