//! Part 4: client identity, session affinity, and content routing.

use std::net::IpAddr;

use backends::Fault;
use integration_tests::client::{Client, Response};

use super::{asked, balancer};
use crate::demo_backends::{DemoBackends, responding_backend, responding_backends};
use crate::narrator::{Narrator, Programs};

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backends = DemoBackends::start(3);
    who_asks(narrator, programs, &backends);
    the_same_again(narrator, programs, &backends);
    by_address(narrator, programs, &backends);
    by_content(narrator, programs, &backends);
}

fn who_asks(narrator: &Narrator, programs: &Programs, backends: &DemoBackends) {
    narrator.section(
        "Who is the client?",
        "An untrusted client claims to forward for 6.6.6.6. What does the backend receive?",
    );
    let one = &backends.names()[..1];
    let stranger = "X-Forwarded-For: 6.6.6.6\r\n";
    let seen = forwarded(narrator, &mut balancer(narrator, programs, one, &[]).client(), stranger);
    assert_eq!(seen, ["127.0.0.1", "127.0.0.1"]);
    narrator
        .say("Only the balancer's own headers arrive. Now the same header comes from a trusted proxy in front of it:");
    let proxy = "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n";
    let trusting = balancer(narrator, programs, one, &["--trusted-proxy", "127.0.0.0/8"]);
    let seen = forwarded(narrator, &mut trusting.client(), proxy);
    assert_eq!(seen, ["6.6.6.6, 203.0.113.7, 127.0.0.1", "203.0.113.7"]);
    narrator.say("203.0.113.7 is the address that our proxy saw. Anything further left is only a claim.");
}

/// Prints what a backend receives about the client: the whole X-Forwarded-For list, and the client's address.
fn forwarded(narrator: &Narrator, client: &mut Client, fields: &str) -> [String; 2] {
    narrator.command(&format!("curl -H '{}' …/headers", fields.trim_end()));
    client.request("GET", "/headers", fields);
    let seen: serde_json::Value = serde_json::from_str(&client.response("GET").text()).expect("the backend sends JSON");
    ["x-forwarded-for", "x-real-ip"].map(|name| {
        let fields = seen["fields"].as_array().expect("a list of fields");
        let value = fields.iter().find(|field| field[0] == name).and_then(|field| field[1].as_str());
        let value = value.expect("the balancer adds it").to_owned();
        narrator.output(&format!("{name}: {value}"));
        value
    })
}

fn the_same_again(narrator: &Narrator, programs: &Programs, backends: &DemoBackends) {
    narrator
        .section("Session affinity", "A shopping cart is kept in one backend's memory. So the client gets a cookie.");
    let balancer = balancer(narrator, programs, &backends.names(), &["--sticky"]);
    let mut client = balancer.client();
    let first = client.get("/");
    let cookie = cookie(&first).expect("a new client gets a cookie");
    let home = responding_backend(&first);
    narrator.output(&format!("backend {home} answers; Set-Cookie: {cookie}; …"));
    let again: Vec<_> = (0..6).map(|_| asked(&mut client, "/", &format!("Cookie: {cookie}\r\n"))).collect();
    assert!(again.iter().all(|number| *number == home), "{again:?}");
    narrator.output(&format!("six more requests with the cookie: all to backend {home}"));

    backends.set_fault(home, Fault::Down);
    client.request("GET", "/", &format!("Cookie: {cookie}\r\n"));
    let moved = client.response("GET");
    let (new_home, new_cookie) = (responding_backend(&moved), self::cookie(&moved).expect("it gets a new cookie"));
    assert!(new_home != home && new_cookie != cookie);
    narrator.output(&format!("backend {home} dies: backend {new_home} answers; Set-Cookie: {new_cookie}; …"));
    backends.set_fault(home, Fault::None);
    assert_eq!(asked(&mut client, "/", &format!("Cookie: {new_cookie}\r\n")), new_home);
    narrator.say("The cookie holds a keyed hash: it reveals nothing about your backends, and cannot be forged.");
}

/// `name=value` of the cookie that the response sets.
fn cookie(response: &Response) -> Option<String> {
    let cookie = response.fields().get("set-cookie")?;
    cookie.split(';').next().map(str::to_owned)
}

fn by_address(narrator: &Narrator, programs: &Programs, backends: &DemoBackends) {
    narrator.section(
        "Affinity without a cookie",
        "API clients often keep no cookies. So the balancer remembers the backend of each address. Three clients, three \
         requests each:",
    );
    let balancer = balancer(narrator, programs, &backends.names(), &["--sticky-source"]);
    let addresses = [2, 3, 4].map(|last| IpAddr::from([127, 0, 0, last]));
    let ask = |address| responding_backends(&mut Client::connect_from(address, balancer.addr()), 3);
    let homes = addresses.map(|address| {
        let answered = ask(address);
        narrator.output(&format!("{address}: backend {} {} {}", answered[0], answered[1], answered[2]));
        assert!(answered.iter().all(|number| *number == answered[0]));
        answered[0]
    });
    assert_eq!(homes, [1, 2, 3], "a new client is balanced by the algorithm");
    backends.set_fault(1, Fault::Down);
    let moved = ask(addresses[0])[0];
    assert_ne!(moved, 1);
    backends.set_fault(1, Fault::None);
    assert_eq!(addresses.map(|address| ask(address)[0]), [moved, 2, 3]);
    narrator.output(&format!(
        "backend 1 dies and comes back: {} stays at backend {moved}, the others where they were",
        addresses[0]
    ));
}

fn by_content(narrator: &Narrator, programs: &Programs, backends: &DemoBackends) {
    narrator.section("Content routing", "Three services behind one address: pages, an API, and images.");
    let names = backends.names();
    let (api, images) = (format!("api={}", names[1]), format!("images={}", names[2]));
    let flags =
        ["--group", &api, "--group", &images, "--route", "path=/api/* -> api", "--route", "path=*.png -> images"];
    let balancer = balancer(narrator, programs, &names[..1], &flags);
    let mut client = balancer.client();
    for (target, expected) in
        [("/", 1), ("/api/v1", 2), ("/logo.png", 3), ("/apix", 1), ("/x/../api/v1", 2), ("/%61pi/v1", 2)]
    {
        let number = asked(&mut client, target, "");
        narrator.output(&format!("GET {target}: backend {number}"));
        assert_eq!(number, expected, "{target}");
    }
    let refused = client.get("/api%2fv1");
    assert_eq!(refused.status(), 400);
    narrator.output("GET /api%2fv1: 400");
    narrator
        .say("A path is normalized before rules match it. A path that two servers could read differently is refused.");
}
