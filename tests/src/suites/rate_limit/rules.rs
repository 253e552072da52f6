//! The command line of the limits, and where their counts are shown.

use super::{backend, passed};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::case::cases;
use crate::suites::support::assert_usage_error;

cases! { "rate_limit";
    Fast an_invalid_limit_is_one_line_that_says_where,
    Fast each_algorithm_limits,
    Fast a_bare_start_limits_the_login,
    Fast the_limits_are_shown_by_the_admin_interface,
}

fn an_invalid_limit_is_one_line_that_says_where(ctx: &Context) {
    for (limits, says) in [
        (&["10/s"][..], "--limit #1, column 5: by= is missing"),
        (&["10/s by=ip", "5/m by=moon"], "--limit #2, column 8: 'moon': known are ip, header:NAME"),
        (&["0/s by=ip"], "--limit #1, column 1: a rate of 0"),
        (&["10/s by=ip alg=fast"], "'fast': known are gcra, token"),
        (&["10/s,burst=9 by=ip alg=log"], "burst= does not apply to alg=log"),
        (&["10/s by=ip name=a", "1/s by=ip name=a"], "--limit #2, column 16: another limit is named 'a'"),
        (&["10/s by=ip path=/a?b"], "a path pattern cannot contain a query"),
        (&[""], "--limit #1, column 1: empty limit"),
    ] {
        let line: Vec<_> =
            ["0", "127.0.0.1:1"].into_iter().chain(limits.iter().flat_map(|limit| ["--limit", limit])).collect();
        assert_usage_error(ctx, &line, says);
    }
    assert_usage_error(ctx, &["0", "127.0.0.1:1", "--limit-keys", "0"], "--limit-keys");
    assert_usage_error(ctx, &["0", "127.0.0.1:1", "--limit-exempt", "10.0.0.0/99"], "expected a network");
    for size in ["1024", "0B", "1kb", "KiB", "99999999999999MiB"] {
        assert_usage_error(ctx, &["0", "127.0.0.1:1", "--min-body-rate", size], "expected a size greater than zero");
    }
    assert_usage_error(ctx, &["0", "127.0.0.1:1", "--max-clients-per-ip", "0"], "--max-clients-per-ip");
}

fn each_algorithm_limits(ctx: &Context) {
    let backend = backend();
    for (limit, expected) in [
        ("4/h,burst=4 by=ip alg=gcra", 4),
        ("4/h,burst=4 by=ip alg=token", 4),
        ("4/h,burst=4 by=ip alg=governor", 4),
        ("4/h by=ip alg=fixed", 4),
        ("4/h by=ip alg=sliding", 4),
        ("4/h by=ip alg=log", 4),
        ("1/h by=ip", 1),
    ] {
        let program = ctx.start(&[backend.addr()], &["--limit", limit]);
        assert_eq!(passed(&mut program.client(), "/", "", 10), expected, "{limit}");
    }
}

fn a_bare_start_limits_the_login(ctx: &Context) {
    let program = ctx.start_bundled(&[]);
    assert!(program.stdout().contains("limit login: 10/m,burst=10 by=ip path=/login"), "{}", program.stdout());
    let mut client = program.client();
    let refused = (0..30).filter(|_| client.get("/login").status() == 429).count();
    assert_eq!(refused, 20);
    assert!((0..30).all(|_| client.get("/").status() == 200));
}

fn the_limits_are_shown_by_the_admin_interface(ctx: &Context) {
    let backend = backend();
    let flags = ["--admin", "127.0.0.1:0", "--limit", "2/h,burst=2 by=ip name=two"];
    let program = ctx.start(&[backend.addr()], &flags);
    assert_eq!(passed(&mut program.client(), "/", "", 5), 2);
    let limits = AdminClient::of(&program).request_ok("GET", "/limits", "");
    assert_eq!(
        limits["limits"][0],
        serde_json::json!({
            "name": "two", "rule": "2/h,burst=2 by=ip alg=gcra", "allowed": 2, "refused": 3, "without_slot": 0,
        })
    );
    assert_eq!(AdminClient::of(&program).request("POST", "/limits", "").0, 405);
}
