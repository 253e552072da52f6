//! The affinity cookie: when it is set, what it contains, and which cookies are accepted.

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::client::{Client, Response};
use crate::suites::support::{assert_usage_error, named, reserved_port, secret_file};

cases! { "sticky";
    Fast the_cookie_is_set_once_with_its_attributes,
    Fast the_cookie_may_have_another_name_and_stand_among_others,
    Fast forged_and_foreign_cookies_are_ignored,
    Fast the_backends_own_cookies_stay,
    Fast a_local_reply_sets_no_cookie,
    Fast invalid_sticky_configurations_are_rejected,
}

/// The pair of the one cookie called `name` that the response sets, and its attributes.
pub(super) fn set_cookie(response: &Response, name: &str) -> Option<(String, Vec<String>)> {
    let ours: Vec<_> = response
        .fields()
        .all("set-cookie")
        .into_iter()
        .filter(|value| value.starts_with(&format!("{name}=")))
        .collect();
    assert!(ours.len() < 2, "the cookie is set twice: {response:?}");
    let mut parts = ours.first()?.split(';').map(|part| part.trim().to_owned());
    Some((parts.next().expect("a pair"), parts.collect()))
}

/// The pair of the `lb` cookie that the response sets; panics without one.
pub(super) fn affinity_cookie(response: &Response) -> String {
    set_cookie(response, "lb").unwrap_or_else(|| panic!("no cookie: {response:?}")).0
}

/// GET with this `Cookie` header.
pub(super) fn get_with(client: &mut Client, cookie: &str) -> Response {
    client.request("GET", "/", &format!("Cookie: {cookie}\r\n"));
    let response = client.response("GET");
    assert_eq!(response.status(), 200, "{response:?}");
    response
}

fn the_cookie_is_set_once_with_its_attributes(ctx: &Context) {
    let (backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky"]);
    let first = program.client().get("/");
    let (pair, mut attributes) = set_cookie(&first, "lb").expect("a cookie");
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax"]);
    let value = pair.split_once('=').unwrap().1;
    assert!(value.len() >= 16 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{value}");
    let port = addrs[0].port().to_string();
    // The value is random hex: a shorter text would be in it by chance.
    let reveals = ["127.0.0.1", "7f000001", &port].iter().any(|text| value.contains(*text));
    assert!(!reveals, "the cookie reveals the backend: {value}");
    for connection in 0..5 {
        let mut client = program.client();
        for turn in 0..20 {
            let response = get_with(&mut client, &pair);
            assert_eq!(response.text(), first.text(), "connection {connection}, request {turn}");
            assert!(!response.fields().has("set-cookie"), "set again: {response:?}");
        }
    }
    let counts: Vec<_> = backends.iter().map(Backend::connections).collect();
    assert_eq!(counts.iter().filter(|count| **count > 0).count(), 1, "{counts:?}");
}

fn the_cookie_may_have_another_name_and_stand_among_others(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky", "Shop.1"]);
    let mut client = program.client();
    let first = client.get("/");
    let (pair, _) = set_cookie(&first, "Shop.1").expect("a cookie of that name");
    for cookies in [
        format!("theme=dark; {pair}"),
        format!("{pair}; theme=dark"),
        format!("a=b;{pair};c=\"d=e\""),
        format!("a=b\r\nCookie: {pair}"),
        format!("{pair}\r\ncookie: c=d"),
    ] {
        let response = get_with(&mut client, &cookies);
        assert_eq!(response.text(), first.text(), "{cookies}");
        assert!(!response.fields().has("set-cookie"), "{cookies}");
    }
}

fn forged_and_foreign_cookies_are_ignored(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c"]);
    let secrets = [secret_file("one secret of many bytes"), secret_file("another secret of many bytes")];
    let start = |secret: &tempfile::NamedTempFile| {
        ctx.start(&addrs, &["--sticky", "--sticky-secret-file", secret.path().to_str().unwrap()])
    };
    let (program, stranger) = (start(&secrets[0]), start(&secrets[1]));
    let real = affinity_cookie(&program.client().get("/"));
    let value = real.split_once('=').unwrap().1;
    let foreign = affinity_cookie(&stranger.client().get("/"));
    let mut client = program.client();
    let forged = [
        "lb=".to_owned(),
        "lb".to_owned(),
        "lb=1".to_owned(),
        "lb=a".to_owned(),
        format!("lb={}", addrs[0]),
        format!("lb={}", "0".repeat(value.len())),
        format!("lb={}", &value[1..]),
        format!("lb={value}0"),
        format!("lb={}", value.to_ascii_uppercase()),
        format!("LB={value}"),
        format!("xlb={value}"),
        format!("lb={}", "f".repeat(8000)),
        format!("lb=%{value}"),
        foreign,
    ];
    let mut answers = Vec::new();
    for cookie in &forged {
        let response = get_with(&mut client, cookie);
        let _ = affinity_cookie(&response);
        answers.push(response.text());
    }
    // Balanced like requests without a cookie.
    assert!(answers.chunks(3).all(|turn| turn == &answers[..turn.len()]), "{answers:?}");
    // The first of two cookies counts: a forged one is not skipped in favour of the valid one after it.
    let _ = affinity_cookie(&get_with(&mut client, &format!("lb=0; {real}")));
}

fn the_backends_own_cookies_stay(ctx: &Context) {
    let answer = "HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Secure\r\nset-cookie: theme=dark\r\n\
                  Content-Length: 2\r\nConnection: close\r\n\r\nok";
    let backend = Backend::answering(answer);
    let program = ctx.start(&[backend.addr()], &["--sticky"]);
    let mut client = program.client();
    let first = client.get("/");
    let all = first.fields().all("set-cookie");
    assert_eq!(all[..2], ["session=1; Secure", "theme=dark"], "{first:?}");
    let again = get_with(&mut client, &format!("session=1; {}", affinity_cookie(&first)));
    assert_eq!(again.fields().all("set-cookie"), ["session=1; Secure", "theme=dark"]);
    // The client's own cookies reach the backend unchanged.
    let cookie = format!("session=1; {}", affinity_cookie(&first));
    assert_eq!(backend.last_request().0.fields.get("cookie"), Some(cookie.as_str()));
}

fn a_local_reply_sets_no_cookie(ctx: &Context) {
    let dead = reserved_port();
    let program = ctx.start(&[dead.addr], &["--sticky"]);
    let mut client = program.client();
    for _ in 0..3 {
        let response = client.get("/");
        assert!(matches!(response.status(), 502 | 503), "{response:?}");
        assert!(!response.fields().has("set-cookie"), "{response:?}");
    }
    // An interim response sets no cookie either.
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
            conn.write(ok_response("ok"));
        }
    });
    let program = ctx.start(&[backend.addr()], &["--sticky"]);
    let response = program.client().get("/");
    assert_eq!(response.interim.len(), 1, "{response:?}");
    assert!(!response.interim[0].fields.has("set-cookie"), "{response:?}");
    let _ = affinity_cookie(&response);
}

fn invalid_sticky_configurations_are_rejected(ctx: &Context) {
    let short = secret_file("short");
    let short = short.path().to_str().unwrap();
    let good = secret_file("a secret of many bytes");
    let good = good.path().to_str().unwrap();
    let lines: &[(&[&str], &str)] = &[
        (&["--sticky", "two words"], "two words"),
        (&["--sticky", "a=b"], "a=b"),
        (&["--sticky", ""], "invalid cookie name"),
        (&["--sticky", "--sticky-secret-file", short], "at least 16"),
        (&["--sticky", "--sticky-secret-file", "/no/such/file"], "/no/such/file"),
        (&["--sticky", "--sticky-secret-file", "/"], "--sticky-secret-file"),
        (&["--sticky-secret-file", good], "--sticky"),
    ];
    for (flags, says) in lines {
        assert_usage_error(ctx, &[&["0", "127.0.0.1:9"], *flags].concat(), says);
    }
}
