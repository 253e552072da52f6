//! Which requests are retried, and where.

use super::{RequestLog, answer, logging};
use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::suites::local_reply;
use crate::wait::{ms, pause};

cases! { "retry";
    Fast idempotent_requests_are_retried_on_another_backend,
    Fast a_post_that_was_sent_is_never_sent_again,
    Fast nothing_is_retried_once_the_response_has_begun,
    Fast a_large_body_is_not_sent_again,
    Fast one_retry_and_no_more,
    Fast a_post_is_not_repeated_after_a_timeout,
}

/// How a backend can fail a request that it has read.
const FAILURES: [fn(&mut Conn); 2] = [Conn::close, Conn::reset];

fn idempotent_requests_are_retried_on_another_backend(ctx: &Context) {
    for fail in FAILURES {
        let (lost, done) = (RequestLog::default(), RequestLog::default());
        let (failing, well) = (logging(&lost, fail), logging(&done, answer));
        let program = ctx.start(&[failing.addr(), well.addr()], &[]);
        let mut client = program.client();
        for (number, method) in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "GET", "PUT", "GET"].into_iter().enumerate()
        {
            let (target, body) = (format!("/{number}"), if method == "PUT" { "put me" } else { "" });
            let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
            client.request(method, &target, &length);
            if !body.is_empty() {
                // By then the head has usually been forwarded.
                pause(ms(5));
                client.send(body);
            }
            let response = client.response(method);
            assert_eq!(response.status(), 200, "{method}: {response:?}");
            assert_eq!(done.lines().last(), Some(&(method.to_owned(), target.clone(), body.to_owned())));
            assert_eq!(done.count(&target), 1);
            assert!(lost.count(&target) <= 1, "a retry must go to another backend");
        }
        assert!(!lost.lines().is_empty(), "no request was retried");
        assert_eq!(done.lines().len(), 8);
    }
}

fn a_post_that_was_sent_is_never_sent_again(ctx: &Context) {
    for fail in FAILURES {
        let log = RequestLog::default();
        let backends = [logging(&log, fail), logging(&log, fail), logging(&log, answer)];
        let program = ctx.start(&backends.each_ref().map(Backend::addr), &["--retries", "5"]);
        let mut client = program.client();
        for (turn, method) in ["POST", "PATCH"].into_iter().cycle().take(12).enumerate() {
            let target = format!("/{turn}");
            client.request(method, &target, "Content-Length: 2\r\n");
            client.send("hi");
            let response = client.response(method);
            if response.status() != 200 {
                local_reply::assert_local(&response, 502);
            }
            assert_eq!(log.count(&target), 1, "{method} {target} was executed more than once");
        }
    }
}

fn nothing_is_retried_once_the_response_has_begun(ctx: &Context) {
    let log = RequestLog::default();
    let begins = |conn: &mut Conn| {
        conn.write("H");
        conn.close();
    };
    let backends = [logging(&log, begins), logging(&log, begins)];
    let program = ctx.start(&backends.each_ref().map(Backend::addr), &["--retries", "5"]);
    let mut client = program.client();
    for turn in 0..4 {
        let target = format!("/{turn}");
        local_reply::assert_local(&client.get(&target), 502);
        assert_eq!(log.count(&target), 1);
    }
}

fn a_large_body_is_not_sent_again(ctx: &Context) {
    // The body is not buffered, so it cannot be sent again: the answer is an honest 502.
    let log = RequestLog::default();
    let (failing, also) = (logging(&log, Conn::close), logging(&log, Conn::close));
    let program = ctx.start(&[failing.addr(), also.addr()], &["--retries", "5"]);
    let mut client = program.client();
    let body = "x".repeat(2 << 20);
    client.request("PUT", "/large", &format!("Content-Length: {}\r\n", body.len()));
    client.send(&body);
    local_reply::assert_local(&client.response("PUT"), 502);
    assert_eq!(log.count("/large"), 1);
}

fn one_retry_and_no_more(ctx: &Context) {
    for (retries, most) in [("0", 1), ("1", 2), ("2", 3), ("9", 4)] {
        let log = RequestLog::default();
        let backends = [(); 4].map(|()| logging(&log, Conn::close));
        let program = ctx.start(&backends.each_ref().map(Backend::addr), &["--retries", retries]);
        let response = program.client().get("/");
        local_reply::assert_local(&response, 502);
        assert_eq!(log.count("/"), most, "--retries {retries}, and each backend once");
    }
}

fn a_post_is_not_repeated_after_a_timeout(ctx: &Context) {
    let log = RequestLog::default();
    let silent = |conn: &mut Conn| conn.read_until_closed();
    let backends = [logging(&log, silent), logging(&log, silent)];
    let flags = ["--first-byte-timeout", "300ms", "--retries", "5"];
    let program = ctx.start(&backends.each_ref().map(Backend::addr), &flags);
    let mut client = program.client();
    client.request("POST", "/late", "Content-Length: 2\r\n");
    client.send("hi");
    client.set_read_timeout(ms(8_000));
    local_reply::assert_local(&client.response("POST"), 504);
    assert_eq!(log.count("/late"), 1);
}
