//! The document: its counters are what the clients saw, its events what happened.

use super::{answer, backend, document, document_with, events, start};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::wait::until;

cases! { "live";
    Fast the_document_counts_what_the_clients_saw,
    Fast what_happens_to_backends_is_an_event,
    Fast refusals_of_a_limit_are_one_event_that_grows,
}

fn sum(counts: &serde_json::Value) -> u64 {
    counts.as_array().expect("a list").iter().map(|count| count.as_u64().expect("a count")).sum()
}

fn the_document_counts_what_the_clients_saw(ctx: &Context) {
    let (a, b, c) = (backend(), backend(), backend());
    let group = format!("api={}:3,{} -a wrr", b.addr(), c.addr());
    let flags = ["--group", &group, "--route", "name=the-api path=/api/* -> api", "--workers", "2"];
    let (program, admin) = start(ctx, &[a.addr()], &flags);
    let mut client = program.client();
    for target in ["/", "/", "/status/503", "/api/1", "/api/2", "/api/3", "/api/4", "/status/404"] {
        client.get(target);
    }
    let mut invalid = program.client();
    invalid.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(invalid.response("GET").status(), 400);
    drop(invalid);
    let document = document_with(admin, "all are counted, and one client is left", |document| {
        let totals = &document["totals"];
        totals["requests"] == 9 && totals["connections_active"] == 1 && totals["in_flight"] == 0
    });
    let totals = &document["totals"];
    assert_eq!((&totals["failed"], &totals["connections_accepted"]), (&0.into(), &2.into()), "{totals}");
    let backends = document["backends"].as_array().unwrap();
    let of = |backend: &Backend| {
        let name = backend.addr().to_string();
        backends.iter().find(|one| one["name"] == *name).unwrap_or_else(|| panic!("{name}: {document}"))
    };
    assert_eq!(of(&a)["responses"], serde_json::json!([0, 2, 0, 1, 1]), "{document}");
    assert_eq!([&b, &c].map(|one| of(one)["requests"].as_u64()), [Some(3), Some(1)], "{document}");
    for (one, whole) in [(&a, 4), (&b, 3), (&c, 1)] {
        assert_eq!(sum(&of(one)["first_byte_buckets"]), whole, "each has a time: {document}");
        assert_eq!((&of(one)["state"], &of(one)["draining"]), (&"UP".into(), &false.into()));
    }
    let routes = document["routes"].as_array().unwrap();
    let counts = |name: &str| {
        let route = routes.iter().find(|route| route["name"] == name).unwrap_or_else(|| panic!("{name}: {document}"));
        (route["group"].as_str().unwrap(), route["requests"].as_u64().unwrap(), sum(&route["time_buckets"]))
    };
    assert_eq!((counts("default"), counts("the-api"), counts("")), (("default", 4, 4), ("api", 4, 4), ("", 1, 1)));
    let bounds = document["latency_bounds_ns"].as_array().unwrap().len();
    assert_eq!(routes[0]["time_buckets"].as_array().unwrap().len(), bounds + 1);
    assert_eq!(document["pool"]["reused"].as_u64().unwrap() + document["pool"]["connects"].as_u64().unwrap(), 8);
    assert_eq!(document["workers"].as_array().unwrap().len(), 2);
    assert_eq!(document["program"]["writable"], true);
}

fn what_happens_to_backends_is_an_event(ctx: &Context) {
    let (a, b) = (backend(), backend());
    let (_program, admin) = start(ctx, &[a.addr(), b.addr()], &["--check", "tcp,interval=100ms,fall=1,rise=1"]);
    let name = b.addr().to_string();
    let seen = |kind: &str| {
        let event = (kind.to_owned(), name.clone());
        document_with(admin, kind, |document| events(document).contains(&event))
    };
    admin.backend_action(b.addr(), "drain");
    assert_eq!(seen("drained")["backends"][1]["state"], "DRAIN");
    admin.backend_action(b.addr(), "enable");
    assert_eq!(seen("enabled")["backends"][1]["state"], "UP");
    let port = b.stop();
    let down = seen("down");
    assert_eq!((&down["backends"][1]["state"], &down["groups"][0]["up"]), (&"DOWN".into(), &1.into()), "{down}");
    let _b = Backend::start_on(port, answer);
    let document = seen("up");
    let kinds: Vec<_> = events(&document).into_iter().map(|(kind, _)| kind).collect();
    // Half-open is what a backend is for a moment when it was marked down by a connect.
    let kinds: Vec<_> = kinds.iter().map(String::as_str).filter(|kind| *kind != "half_open").collect();
    assert_eq!(kinds, ["drained", "enabled", "down", "up"]);
    let sequence = |event: &serde_json::Value| event["sequence"].as_u64().unwrap();
    assert!(document["events"].as_array().unwrap().is_sorted_by_key(sequence), "{document}");
    admin.remove(a.addr());
    document_with(admin, "removed", |document| events(document).contains(&("removed".into(), a.addr().to_string())));
}

fn refusals_of_a_limit_are_one_event_that_grows(ctx: &Context) {
    let a = backend();
    let (program, admin) = start(ctx, &[a.addr()], &["--limit", "1/h,burst=2 by=ip path=/limited"]);
    let mut client = program.client();
    let mut refused = 0_u64;
    // Over more than two looks, so that there is something to add up.
    until("the event has grown", || {
        for _ in 0..5 {
            refused += u64::from(client.get("/limited").status() == 429);
        }
        let document = document(admin);
        let counts: Vec<_> = document["events"].as_array().unwrap().iter().map(|event| &event["count"]).collect();
        assert!(counts.len() <= 1, "{document}");
        document["uptime_ms"].as_u64().unwrap() > 2_500 && counts.len() == 1
    });
    let document = document_with(admin, "all are in it", |document| document["events"][0]["count"] == refused);
    assert_eq!(events(&document)[0].0, "limited");
    assert_eq!((&document["totals"]["limited"], &document["limits"][0]["allowed"]), (&refused.into(), &2.into()));
}
