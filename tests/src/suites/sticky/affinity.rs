//! What affinity survives, and what ends it.

use std::thread;

use super::cookie::{affinity_cookie, get_with, set_cookie};
use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::suites::support::{named, secret_file};

cases! { "sticky";
    Fast clients_without_a_cookie_are_balanced,
    Fast each_of_many_clients_keeps_its_backend,
    Fast affinity_survives_a_restart_and_another_order_of_the_backends,
    Fast without_a_secret_file_a_restart_ends_affinity,
    Fast the_client_of_a_backend_that_is_down_moves_to_another,
    Fast a_retried_request_gets_the_cookie_of_the_backend_that_answered,
    Fast a_backend_of_weight_0_keeps_its_clients_and_gets_no_new_ones,
    Fast each_group_has_its_own_cookie,
}

fn clients_without_a_cookie_are_balanced(ctx: &Context) {
    let (backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky"]);
    let mut client = program.client();
    let mut ties: Vec<_> =
        (0..9).map(|_| client.get("/")).map(|answer| (answer.text(), affinity_cookie(&answer))).collect();
    assert_eq!(backends.iter().map(Backend::connections).collect::<Vec<_>>(), [3, 3, 3]);
    // One cookie for each backend.
    ties.sort_unstable();
    ties.dedup();
    assert_eq!(ties.len(), 3, "{ties:?}");
}

fn each_of_many_clients_keeps_its_backend(ctx: &Context) {
    let (backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky"]);
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                let mut client = program.client();
                let first = client.get("/");
                let cookie = affinity_cookie(&first);
                for turn in 0..20 {
                    if turn % 7 == 0 {
                        client = program.client();
                    }
                    assert_eq!(get_with(&mut client, &cookie).text(), first.text(), "request {turn}");
                }
            });
        }
    });
    assert_eq!(backends.iter().map(Backend::connections).collect::<Vec<_>>(), [210, 210, 210]);
}

fn affinity_survives_a_restart_and_another_order_of_the_backends(ctx: &Context) {
    let (_backends, mut addrs) = named(&["a", "b", "c"]);
    let secret = secret_file("a secret of many bytes");
    let flags = ["--sticky", "--sticky-secret-file", secret.path().to_str().unwrap()];
    let ties: Vec<_> = {
        let program = ctx.start(&addrs, &flags);
        let mut client = program.client();
        (0..3).map(|_| client.get("/")).map(|answer| (affinity_cookie(&answer), answer.text())).collect()
    };
    addrs.reverse();
    for _ in 0..2 {
        let program = ctx.start(&addrs, &[&flags[..], &["-a", "lc"]].concat());
        let mut client = program.client();
        for (cookie, backend) in ties.iter().cycle().take(12) {
            let answer = get_with(&mut client, cookie);
            assert_eq!(&answer.text(), backend);
            assert!(!answer.fields().has("set-cookie"));
        }
        addrs.rotate_left(1);
    }
    // A blank line at the end of the file and other weights leave affinity unchanged.
    let secret = secret_file("a secret of many bytes\r\n\n");
    let flags = ["--sticky", "--sticky-secret-file", secret.path().to_str().unwrap()];
    let weighted: Vec<_> = addrs.iter().zip(1..).map(|(addr, weight)| format!("{addr}:{weight}")).collect();
    let weighted: Vec<_> = weighted.iter().map(String::as_str).collect();
    let program = ctx.start_named(&weighted, &flags);
    let mut client = program.client();
    for (cookie, backend) in &ties {
        assert_eq!(&get_with(&mut client, cookie).text(), backend);
    }
}

fn without_a_secret_file_a_restart_ends_affinity(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b"]);
    let cookie = affinity_cookie(&ctx.start(&addrs, &["--sticky"]).client().get("/"));
    let program = ctx.start(&addrs, &["--sticky"]);
    assert_ne!(
        affinity_cookie(&get_with(&mut program.client(), &cookie)),
        cookie,
        "two programs generated the same secret"
    );
}

fn the_client_of_a_backend_that_is_down_moves_to_another(ctx: &Context) {
    let (mut backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky", "--down-time", "60s"]);
    let mut client = program.client();
    let first = client.get("/");
    let cookie = affinity_cookie(&first);
    let at = backends.iter().position(|backend| backend.connections() == 1).unwrap();
    let _port = backends.remove(at).stop();
    let answer = get_with(&mut client, &cookie);
    assert_ne!(answer.text(), first.text());
    let new = affinity_cookie(&answer);
    assert_ne!(new, cookie);
    for _ in 0..20 {
        let again = get_with(&mut client, &new);
        assert_eq!(again.text(), answer.text());
        assert!(!again.fields().has("set-cookie"), "{again:?}");
    }
    // A later request with the old cookie moves as well.
    for _ in 0..4 {
        assert_ne!(affinity_cookie(&get_with(&mut program.client(), &cookie)), cookie);
    }
}

fn a_retried_request_gets_the_cookie_of_the_backend_that_answered(ctx: &Context) {
    let broken = || {
        Backend::start(|conn| {
            let _ = conn.request();
            conn.reset();
        })
    };
    let (broken, well) = (broken(), Backend::ok("well"));
    let program = ctx.start(&[broken.addr(), well.addr()], &["--sticky"]);
    let mut client = program.client();
    let mut cookies = Vec::new();
    for _ in 0..6 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "well"));
        cookies.push(affinity_cookie(&answer));
    }
    assert!(broken.connections() > 0, "no request was retried");
    cookies.dedup();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let asked = broken.connections();
    for _ in 0..6 {
        assert_eq!(get_with(&mut client, &cookies[0]).text(), "well");
    }
    assert_eq!(broken.connections(), asked);
}

fn a_backend_of_weight_0_keeps_its_clients_and_gets_no_new_ones(ctx: &Context) {
    let (a, b) = (Backend::start(keeps_alive("a")), Backend::start(keeps_alive("b")));
    let secret = secret_file("a secret of many bytes");
    let flags = ["--sticky", "--sticky-secret-file", secret.path().to_str().unwrap()];
    let cookie = affinity_cookie(&ctx.start(&[a.addr()], &flags).client().get("/"));
    let program = ctx.start_named(&[&format!("{}:0", a.addr()), &b.addr().to_string()], &flags);
    for connection in 0..4 {
        let mut client = program.client();
        for _ in 0..5 {
            let answer = get_with(&mut client, &cookie);
            assert_eq!(answer.text(), "a", "connection {connection}");
            assert!(!answer.fields().has("set-cookie"), "{answer:?}");
            assert_eq!(client.get("/").text(), "b", "a new client");
        }
    }
}

fn keeps_alive(name: &'static str) -> impl Fn(&mut crate::backend::Conn) {
    move |conn| {
        while conn.request().is_ok() {
            let alive = String::from_utf8(ok_response(name)).unwrap().replace("Connection: close\r\n", "");
            conn.write(alive);
        }
    }
}

fn each_group_has_its_own_cookie(ctx: &Context) {
    let (_web, web) = named(&["w1", "w2"]);
    let (_api, api) = named(&["a1", "a2"]);
    let group = format!("api={},{}", api[0], api[1]);
    let program = ctx.start(&web, &["--sticky", "--group", &group, "--route", "path=/api/* -> api"]);
    let mut client = program.client();
    let (of_web, of_api) = (client.get("/"), client.get("/api"));
    let cookie = |answer: &crate::client::Response| {
        let pair = answer.fields().get("set-cookie").expect("one cookie").split(';').next().unwrap();
        pair.to_owned()
    };
    let (web, api) = (cookie(&of_web), cookie(&of_api));
    assert!(set_cookie(&of_web, "lb").is_some());
    let name = |pair: &str| pair.split('=').next().unwrap().to_owned();
    assert_ne!(name(&web), name(&api), "affinity in one group would end affinity in the other");
    for _ in 0..5 {
        for (target, first) in [("/", &of_web), ("/api", &of_api)] {
            client.request("GET", target, &format!("Cookie: {web}; {api}\r\n"));
            let again = client.response("GET");
            assert_eq!(again.text(), first.text());
            assert!(!again.fields().has("set-cookie"), "{again:?}");
        }
    }
}
