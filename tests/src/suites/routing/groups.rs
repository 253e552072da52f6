//! Groups: independent of each other, and 404 where no group matches.

use super::idle_group;
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::local_reply;
use crate::suites::support::{named, reserved_port};

cases! { "routing";
    Fast without_a_rule_and_a_default_group_it_is_404,
    Fast each_group_has_its_own_round_robin,
    Fast no_other_group_replaces_a_dead_one,
    Fast a_group_may_have_its_own_algorithm,
}

fn without_a_rule_and_a_default_group_it_is_404(ctx: &Context) {
    let backend = Backend::ok("api");
    let group = format!("api={}", backend.addr());
    let program = ctx.start(&[], &["--group", &group, "--route", "path=/api/* -> api"]);
    let mut client = program.client();
    for turn in 0..3 {
        let response = client.get("/elsewhere");
        local_reply::assert_local(&response, 404);
        assert!(!response.head.says_close(), "request {turn}");
        assert_eq!(client.get("/api").text(), "api", "the connection stays open");
    }
    client.request("HEAD", "/elsewhere", "");
    let response = client.response("HEAD");
    assert_eq!((response.status(), response.body.len()), (404, 0));
    client.request("POST", "/elsewhere", "Content-Length: 5\r\n");
    client.send("hello");
    local_reply::assert_local(&client.response("POST"), 404);
    assert_eq!(backend.connections(), 3);
}

fn each_group_has_its_own_round_robin(ctx: &Context) {
    let (_web, web) = named(&["w1", "w2"]);
    let (_api, api) = named(&["a1", "a2", "a3"]);
    let group = format!("api={}, {}, {}", api[0], api[1], api[2]);
    let program = ctx.start(&web, &["--group", &group, "--route", "path=/api/* -> api"]);
    let mut client = program.client();
    let (mut of_web, mut of_api) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        of_web.push(client.get("/").text());
        of_api.push(client.get("/api").text());
    }
    assert!(of_web.chunks(2).all(|turn| turn == &of_web[..2]) && of_web[0] != of_web[1], "{of_web:?}");
    assert!(of_api.chunks(3).all(|turn| turn == &of_api[..3]), "{of_api:?}");
    of_api[..3].sort_unstable();
    assert_eq!(of_api[..3], ["a1", "a2", "a3"]);
}

fn no_other_group_replaces_a_dead_one(ctx: &Context) {
    let (dead, alive) = (reserved_port(), Backend::ok("web"));
    let group = format!("api={}", dead.addr);
    let program = ctx.start(&[alive.addr()], &["--group", &group, "--route", "path=/api/* -> api"]);
    let mut client = program.client();
    for _ in 0..3 {
        let response = client.get("/api");
        assert!(matches!(response.status(), 502 | 503), "{response:?}");
        local_reply::check(&response).unwrap();
        assert_eq!(client.get("/").text(), "web");
    }
    assert_eq!(alive.connections(), 3);
}

fn a_group_may_have_its_own_algorithm(ctx: &Context) {
    let (_web, web) = named(&["w1", "w2"]);
    let (_api, api) = named(&["a1", "a2", "a3"]);
    let group = format!("api={},{},{} -a rendezvous", api[0], api[1], api[2]);
    let flags = ["--group", &group, "--group", &idle_group("unused"), "--route", "path=/api/* -> api"];
    let program = ctx.start(&web, &[&flags[..], &["--hash-key", "path"]].concat());
    let mut client = program.client();
    let first = client.get("/api/one").text();
    for turn in 0..10 {
        assert_eq!(client.get("/api/one").text(), first);
        assert_eq!(client.get(&format!("/api/x/../one?{turn}")).text(), first, "the key is the normalized path");
    }
    assert_ne!(client.get("/").text(), client.get("/").text(), "the others still use round robin");
}
