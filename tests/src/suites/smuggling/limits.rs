//! Size limits: 32 KiB of head and 100 headers are accepted, more is refused.

use super::table::{Row, assert_refused};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;

cases! { "smuggling";
    Fast an_oversized_request_line_or_head_is_refused,
    Fast heads_just_under_the_limits_are_served,
}

fn an_oversized_request_line_or_head_is_refused(ctx: &Context) {
    let long = |length: usize| "a".repeat(length);
    let fields = |count: usize, size: usize| {
        let value = long(size);
        (0..count).fold(String::new(), |all, i| all + &format!("X-{i}: {value}\r\n"))
    };
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    assert_refused(
        ctx,
        &[
            Row::made("target of 40 KiB, no end", format!("GET /{}", long(40 << 10)), 414),
            Row::made("method of 40 KiB, no end", long(40 << 10), 414),
            Row::made("target of 200 KiB, no end", format!("GET /{}", long(200 << 10)), 414),
            Row::made("value of 40 KiB, no end", format!("{start}X: {}", long(40 << 10)), 431),
            Row::made("name of 40 KiB, no end", format!("{start}{}", long(40 << 10)), 431),
            Row::made("value of 40 KiB", format!("{start}X: {}\r\n\r\n", long(40 << 10)), 431),
            Row::made("value of 200 KiB", format!("{start}X: {}\r\n\r\n", long(200 << 10)), 431),
            Row::made("90 fields of 500", format!("{start}{}\r\n", fields(90, 500)), 431),
            Row::made("101 fields", format!("{start}{}\r\n", fields(100, 1)), 431),
            Row::made("5000 fields", format!("{start}{}\r\n", fields(5000, 1)), 431),
        ],
    );
}

fn heads_just_under_the_limits_are_served(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    let many = (1..100).fold(String::new(), |all, i| all + &format!("X-{i}: {i}\r\n"));
    client.request("GET", "/many", &many);
    assert_eq!(client.response("GET").status(), 200);
    let (head, _) = backend.last_request();
    assert_eq!(head.fields.get("x-99"), Some("99"));

    let large = "v".repeat(31 << 10);
    client.request("GET", "/large", &format!("X-Large: {large}\r\n"));
    assert_eq!(client.response("GET").status(), 200);
    assert_eq!(backend.last_request().0.fields.get("x-large"), Some(large.as_str()));

    let path = format!("/{}", "p".repeat(31 << 10));
    assert_eq!(client.get(&path).status(), 200);
    assert_eq!(backend.last_request().0.target, path);
}
