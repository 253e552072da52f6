//! Invalid configurations: one clear line each, and exit code 64.

use super::idle_group;
use crate::Context;
use crate::case::cases;
use crate::suites::support::assert_usage_error;

cases! { "routing";
    Fast invalid_rules_are_rejected,
    Fast invalid_groups_are_rejected,
    Fast invalid_backends_are_rejected,
}

const WEB: &str = "127.0.0.1:9";

fn invalid_rules_are_rejected(ctx: &Context) {
    let api = idle_group("api");
    let with = |rules: &[&'static str], says: &str| {
        let mut line = vec!["0", WEB, "--group", &api];
        line.extend(rules.iter().flat_map(|rule| ["--route", rule]));
        assert_usage_error(ctx, &line, says);
    };
    with(&["path=/a -> nope"], "nope");
    with(&["path=/a -> api", "path=/a -> default"], "has the same conditions as");
    with(&["path=/a/* method=GET,POST -> api", "method=POST,GET path=/a/* -> default"], "has the same conditions as");
    with(&["path=/a -> api", "path=/x/../%61 -> default"], "has the same conditions as");
    with(&["host=A.test -> api", "host=a.test. -> default"], "has the same conditions as");
    with(&["-> api", "-> default"], "has the same conditions as");
    with(&["path=/a"], "->");
    with(&["path=/a ->"], "->");
    with(&[""], "->");
    with(&["path=a -> api"], "'a'");
    with(&["path=/a*b -> api"], "/a*b");
    with(&["path=/a%2fb -> api"], "/a%2fb");
    with(&["path=/a?x -> api"], "query=");
    with(&["path=/a path=/b -> api"], "path=/b");
    with(&["host=a_b:80 -> api"], "a_b:80");
    with(&["host=a*.test -> api"], "a*.test");
    with(&["method=get -> api"], "get");
    with(&["header=X Env -> api"], "Env");
    with(&["header=:x -> api"], ":x");
    with(&["port=80 -> api"], "port=80");
}

fn invalid_groups_are_rejected(ctx: &Context) {
    for (group, says) in [
        ("api=", "no backends"),
        ("api", "api"),
        ("=127.0.0.1:9", "name"),
        ("a b=127.0.0.1:9", "a b"),
        ("api=127.0.0.1:9,127.0.0.1:9", "duplicate backend"),
        ("api=127.0.0.1:9:1,127.0.0.1:9:2", "duplicate backend"),
        ("api=127.0.0.1:9:-5", "-5"),
        ("api=127.0.0.1:9:0", "all weights are 0"),
        ("api=127.0.0.1:9:0,127.0.0.1:10:0", "all weights are 0"),
        ("api=127.0.0.1:0", "port"),
        ("api=127.0.0.1:9,", "api"),
        ("api=127.0.0.1:9 -a nope", "unknown algorithm 'nope'"),
        ("api=127.0.0.1:9 -b rr", "-b"),
    ] {
        assert_usage_error(ctx, &["0", WEB, "--group", group], says);
    }
    assert_usage_error(
        ctx,
        &["0", WEB, "--group", &idle_group("api"), "--group", &idle_group("api")],
        "duplicate group",
    );
    assert_usage_error(ctx, &["0", WEB, "--group", &idle_group("default")], "duplicate group");
}

fn invalid_backends_are_rejected(ctx: &Context) {
    for (line, says) in [
        (&[WEB, WEB][..], "duplicate backend"),
        (&["LOCALHOST:9", "localhost:9:2"], "duplicate backend"),
        (&["[::1]:9", "[0::1]:9"], "duplicate backend"),
        (&["127.0.0.1:9:-5"], "-5"),
        (&["127.0.0.1:9:1.5"], "1.5"),
        (&["127.0.0.1:9:4294967296"], "4294967296"),
        (&["127.0.0.1:9:65536"], "65536"),
        (&["127.0.0.1:9:0"], "all weights are 0"),
        (&["127.0.0.1:9:0", "127.0.0.1:10:0"], "all weights are 0"),
        (&["::1:9"], "brackets"),
        (&[WEB, "--trusted-proxy", "10.0.0.0/33"], "10.0.0.0/33"),
        (&[WEB, "--trusted-proxy", "10.0.0/8"], "10.0.0/8"),
        (&[WEB, "--max-connections", "0"], "--max-connections"),
        (&[WEB, "--queue", "-1"], "-1"),
        (&[WEB, "--queue-timeout", "soon"], "soon"),
        (&[WEB, "--hash-key", "colour"], "unknown hash key 'colour'"),
    ] {
        assert_usage_error(ctx, &[&["0"], line].concat(), says);
    }
}
