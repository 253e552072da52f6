//! `/requests`: the last requests that were slow or failed.

use serde_json::Value;

use super::admin;
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::wait::{ms, pause, until};

cases! { "access_log";
    Fast slow_and_failed_requests_are_listed_the_newest_first,
    Fast the_list_is_bounded_whatever_clients_send,
    Fast an_upgraded_connection_is_not_slow,
}

fn recent(program: &Program) -> Vec<Value> {
    admin(program).request_ok("GET", "/requests", "")["requests"].as_array().unwrap().clone()
}

fn paths(program: &Program) -> Vec<String> {
    recent(program).iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect()
}

fn slow_and_failed_requests_are_listed_the_newest_first(ctx: &Context) {
    let backend = Backend::start(|conn| {
        while let Ok(request) = conn.request() {
            match request.head.target.as_str() {
                "/slow" => pause(ms(300)),
                "/reset" => return conn.reset(),
                _ => {}
            }
            let status = if request.head.target == "/500" { 500 } else { 200 };
            conn.write(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let flags = ["--admin", "127.0.0.1:0", "--slow", "250ms", "--retries", "0"];
    let program = ctx.start(&[backend.addr()], &flags);
    assert!(recent(&program).is_empty());
    let mut client = program.client();
    for target in ["/slow", "/fast", "/500", "/reset"] {
        client.get(target);
    }
    until("both are listed", || paths(&program).len() == 2);
    assert_eq!(paths(&program), ["/reset", "/slow"], "a backend's own 500 is an answer");
    let [failed, slow] = recent(&program).try_into().unwrap();
    assert_eq!((&failed["end"], &failed["status"]), (&"backend_reset_before_response".into(), &502.into()));
    assert!(slow["end"] == "done" && slow["first_byte_ms"].as_f64() >= Some(300.0), "{slow}");
    let admin = admin(&program);
    assert_eq!(admin.request("POST", "/requests", "").0, 405);
    assert_eq!(admin.send("GET", "/requests", "Host: evil.example\r\n", "").status(), 403);
}

fn the_list_is_bounded_whatever_clients_send(ctx: &Context) {
    let program = ctx.start_named(&["127.0.0.1:9"], &["--admin", "127.0.0.1:0"]);
    let agent = format!("User-Agent: {}\r\n", "\u{9b}".repeat(7_000));
    let mut client = program.client();
    for number in 0..250 {
        client.request("GET", &format!("/{number}?{}", "\"".repeat(5_000)), &agent);
        assert!(client.response("GET").status() >= 502);
    }
    until("the last one is listed", || paths(&program).first().is_some_and(|path| path == "/249"));
    let list = recent(&program);
    assert_eq!(list.len(), 100);
    let bytes: usize = list.iter().map(|line| line.to_string().len()).sum();
    assert!(bytes < 100 * 30_000, "{bytes}");
}

fn an_upgraded_connection_is_not_slow(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &["--admin", "127.0.0.1:0", "--slow", "10ms", "--log-requests"]);
    let mut client = program.client();
    client.request("GET", "/", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(client.response("GET").status(), 101);
    pause(ms(50));
    client.half_close();
    until("it has ended", || super::stdout_lines(&program).len() == 1);
    assert!(super::stdout_lines(&program)[0]["total_ms"].as_f64() >= Some(50.0));
    assert!(recent(&program).is_empty(), "{:?}", recent(&program));
}
