//! One change at a time: each takes effect from the next request on.

use super::{answers, named, start};
use crate::Context;
use crate::case::cases;
use crate::client::Client;
use crate::third_party::curl;
use crate::wait::until;

cases! { "admin";
    Fast the_list_shows_every_backend,
    Fast an_added_backend_gets_its_share_at_once,
    Fast a_removed_backend_gets_nothing_more,
    Fast a_drained_backend_gets_nothing_until_it_is_enabled,
    Fast clients_with_source_affinity_stay_at_a_drained_backend,
    Fast a_weight_holds_from_the_next_request_on,
    Fast the_last_backend_stays_unless_forced,
    Fast duplicate_and_unresolvable_backends_are_rejected,
    Fast curl_lists_adds_and_removes,
}

fn the_list_shows_every_backend(ctx: &Context) {
    let (a, b) = (named("a"), named("b"));
    let (program, admin) = start(ctx, &[&a, &b], &[]);
    answers(&mut program.client(), 10);
    // A client may have its response a moment before the slot is released.
    until("no request is in flight", || admin.request_ok("GET", "/groups", "")["groups"][0]["in_flight"] == 0);
    let list = admin.request_ok("GET", "/backends", "");
    for (row, backend) in [(0, &a), (1, &b)] {
        let row = &list["backends"][row];
        assert_eq!(row["name"], backend.addr().to_string());
        assert_eq!((&row["group"], &row["state"]), (&"default".into(), &"UP".into()), "{row}");
        for (key, value) in [("weight", 1), ("in_flight", 0), ("total", 5), ("failed", 0)] {
            assert_eq!(row[key], value, "{key}: {row}");
        }
        assert!(row["max_connections"].is_null(), "{row}");
    }
    let groups = admin.request_ok("GET", "/groups", "");
    assert_eq!(groups["groups"][0]["backends"], 2, "{groups}");
    assert!(admin.request_ok("GET", "/", "").to_string().contains("POST /backends"));
}

fn an_added_backend_gets_its_share_at_once(ctx: &Context) {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let (program, admin) = start(ctx, &[&a, &b], &[]);
    let mut client = program.client();
    assert_eq!(answers(&mut client, 4), "aabb");
    assert_eq!(admin.add_backend(c.addr())["name"], c.addr().to_string());
    assert_eq!(answers(&mut client, 9), "aaabbbccc");
}

fn a_removed_backend_gets_nothing_more(ctx: &Context) {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let (program, admin) = start(ctx, &[&a, &b, &c], &[]);
    let mut client = program.client();
    assert_eq!(answers(&mut client, 3), "abc");
    admin.remove(b.addr());
    assert_eq!(admin.backend_names(), [a.addr(), c.addr()].map(|addr| addr.to_string()));
    assert_eq!(answers(&mut client, 6), "aaaccc");
    assert_eq!(admin.request("DELETE", &format!("/backends/{}", b.addr()), "").0, 404);
    admin.add_backend(b.addr());
    assert_eq!(answers(&mut client, 6), "aabbcc");
}

fn a_drained_backend_gets_nothing_until_it_is_enabled(ctx: &Context) {
    let (a, b) = (named("a"), named("b"));
    let (program, admin) = start(ctx, &[&a, &b], &[]);
    let mut client = program.client();
    assert_eq!(admin.backend_action(a.addr(), "drain")["state"], "DRAIN");
    assert_eq!(answers(&mut client, 4), "bbbb");
    assert_eq!(admin.backend_action(a.addr(), "enable")["state"], "UP");
    assert_eq!(answers(&mut client, 4), "aabb");
}

fn clients_with_source_affinity_stay_at_a_drained_backend(ctx: &Context) {
    let (a, b) = (named("a"), named("b"));
    let (program, admin) = start(ctx, &[&a, &b], &["--sticky-source"]);
    let asked = |number| answers(&mut Client::connect_from([127, 0, 0, number].into(), program.addr()), 2);
    assert_eq!((asked(11), asked(12)), ("aa".to_owned(), "bb".to_owned()));
    let stays = |why: &str, new: [u8; 2]| {
        assert_eq!(asked(12), "bb", "{why}: it keeps its clients");
        assert_eq!(new.map(asked), ["aa", "aa"], "{why}: and gets no new ones");
    };
    admin.backend_action(b.addr(), "drain");
    stays("drained", [13, 14]);
    admin.backend_action(b.addr(), "enable");
    admin.set_weight(b.addr(), 0);
    stays("of weight 0", [15, 16]);
    admin.set_weight(b.addr(), 1);
    admin.remove(b.addr());
    assert_eq!(asked(12), "aa");
    admin.add_backend(b.addr());
    assert_eq!(asked(12), "aa", "an added backend takes no client away");
}

fn a_weight_holds_from_the_next_request_on(ctx: &Context) {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let (program, admin) = start(ctx, &[&a, &b, &c], &["-a", "wrr"]);
    let mut client = program.client();
    assert_eq!(answers(&mut client, 3), "abc");
    admin.set_weight(a.addr(), 5);
    assert_eq!(answers(&mut client, 14), "aaaaaaaaaabbcc");
    admin.set_weight(a.addr(), 0);
    assert_eq!(answers(&mut client, 4), "bbcc");
    admin.remove(b.addr());
    let last = format!("/backends/{}/weight", c.addr());
    assert_eq!(admin.request("PUT", &last, r#"{"weight": 0}"#).0, 409, "no backend would be left");
    assert_eq!(answers(&mut client, 2), "cc");
}

fn the_last_backend_stays_unless_forced(ctx: &Context) {
    let a = named("a");
    let (program, admin) = start(ctx, &[&a], &[]);
    let mut client = program.client();
    let (status, refused) = admin.request("DELETE", &format!("/backends/{}", a.addr()), "");
    assert_eq!(status, 409, "{refused}");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("force=true")), "{refused}");
    assert_eq!(answers(&mut client, 1), "a");
    admin.request_ok("DELETE", &format!("/backends/{}?force=true", a.addr()), "");
    assert_eq!(client.get("/").status(), 503);
    admin.add_backend(a.addr());
    assert_eq!(answers(&mut client, 1), "a");
}

fn duplicate_and_unresolvable_backends_are_rejected(ctx: &Context) {
    let a = named("a");
    let (program, admin) = start(ctx, &[&a], &[]);
    let add = |backend: &str| admin.request("POST", "/backends", &format!(r#"{{"backend": "{backend}"}}"#)).0;
    assert_eq!(add(&a.addr().to_string()), 409);
    assert_eq!(add(&format!("{}:3", a.addr())), 409, "the same backend with another weight");
    assert_eq!(add("no-such-name.invalid:80"), 400);
    assert_eq!(admin.request("POST", "/backends?group=nobody", r#"{"backend": "127.0.0.1:9"}"#).0, 404);
    // By name it is another backend: its addresses may change.
    assert_eq!(add(&format!("localhost:{}", a.addr().port())), 201);
    assert_eq!(admin.backend_names().len(), 2);
    assert_eq!(answers(&mut program.client(), 4), "aaaa");
}

fn curl_lists_adds_and_removes(ctx: &Context) {
    let (a, b) = (named("a"), named("b"));
    let (program, admin) = start(ctx, &[&a], &[]);
    let url = format!("http://{}/backends", admin.addr());
    let Some(list) = curl(&[&url], b"") else { return };
    assert!(list.contains(&a.addr().to_string()), "{list}");
    let body = format!(r#"{{"backend": "{}"}}"#, b.addr());
    let added = curl(&["-w", "%{http_code}", "-d", &body, &url], b"").expect("it ran before");
    assert!(added.ends_with("\n201"), "{added}");
    assert_eq!(answers(&mut program.client(), 4), "aabb");
    let drain = format!("{url}/{}/drain", b.addr());
    let drained = curl(&["-X", "POST", &drain], b"").expect("it ran before");
    assert!(drained.contains("DRAIN"), "{drained}");
    let weight = format!("{url}/{}/weight", b.addr());
    curl(&["-f", "-X", "PUT", "-d", r#"{"weight": 0}"#, &weight], b"").expect("it ran before");
    let one = format!("{url}/{}", b.addr());
    curl(&["-f", "-X", "DELETE", &one], b"").expect("it ran before");
    assert_eq!(admin.backend_names(), [a.addr().to_string()]);
}
