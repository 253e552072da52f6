//! Hosts, methods, headers, queries and cookies, and which of two matching rules is more specific.

use super::RoutedProgram;
use crate::Context;
use crate::case::cases;

cases! { "routing";
    Fast by_host_exact_before_wildcard,
    Fast by_method,
    Fast by_header,
    Fast by_query,
    Fast by_cookie,
    Fast the_host_decides_before_the_path_and_more_conditions_before_fewer,
    Fast a_rule_without_conditions_takes_what_no_other_takes,
    Fast each_request_of_a_connection_is_routed_by_itself,
}

fn by_host_exact_before_wildcard(ctx: &Context) {
    let rules =
        ["host=*.shop.test -> any", "host=pay.shop.test -> pay", "host=*.eu.shop.test -> eu", "host=[::1] -> six"];
    RoutedProgram::start(ctx, &rules).assert_routes(&[
        ("GET /\r\nHost: pay.shop.test", "pay"),
        ("GET /\r\nHost: PAY.Shop.Test:8080", "pay"),
        ("GET /\r\nHost: pay.shop.test.", "pay"),
        ("GET http://pay.shop.test/x\r\nHost: pay.shop.test", "pay"),
        ("GET /\r\nHost: a.shop.test", "any"),
        ("GET /\r\nHost: a.b.shop.test:1", "any"),
        ("GET /\r\nHost: a.eu.shop.test", "eu"),
        ("GET /\r\nHost: eu.shop.test", "any"),
        ("GET /\r\nHost: shop.test", "default"),
        ("GET /\r\nHost: xshop.test", "default"),
        ("GET /\r\nHost: pay.shop.test.evil.test", "default"),
        ("GET /\r\nHost: xpay.shop.test", "any"),
        ("GET /\r\nHost: [::1]:81", "six"),
        // X-Forwarded-Host from an untrusted client does not change the host that was requested.
        ("GET /\r\nHost: test\r\nX-Forwarded-Host: pay.shop.test", "default"),
    ]);
}

fn by_method(ctx: &Context) {
    let rules = ["method=POST,PUT -> write", "method=PURGE -> purge"];
    RoutedProgram::start(ctx, &rules).assert_routes(&[
        ("GET /", "default"),
        ("POST /\r\nContent-Length: 0", "write"),
        ("PUT /\r\nContent-Length: 0", "write"),
        ("PURGE /", "purge"),
        ("purge /", "default"),
        ("POSTX /", "default"),
    ]);
}

fn by_header(ctx: &Context) {
    let rules = ["header=X-Env:beta -> beta", "header=X-Debug -> debug"];
    RoutedProgram::start(ctx, &rules).assert_routes(&[
        ("GET /", "default"),
        ("GET /\r\nX-Env: beta", "beta"),
        ("GET /\r\nx-env:   beta  ", "beta"),
        ("GET /\r\nX-Env: Beta", "default"),
        ("GET /\r\nX-Env: beta2", "default"),
        ("GET /\r\nX-Env: alpha\r\nX-Env: beta", "beta"),
        ("GET /\r\nX-Debug:", "debug"),
        ("GET /\r\nX-DEBUG: anything", "debug"),
        ("GET /\r\nX-Debugger: 1", "default"),
    ]);
}

fn by_query(ctx: &Context) {
    let rules = ["query=v:2 -> v2", "query=trace -> trace", "query=q:a&b -> odd"];
    RoutedProgram::start(ctx, &rules).assert_routes(&[
        ("GET /?v=2", "v2"),
        ("GET /?a=b&v=2&c", "v2"),
        ("GET /?v=1&v=2", "v2"),
        ("GET /?v=%32", "v2"),
        ("GET /?%76=2", "v2"),
        ("GET /?v=22", "default"),
        ("GET /?vv=2", "default"),
        ("GET /?V=2", "default"),
        ("GET /?x=v=2", "default"),
        ("GET /v=2", "default"),
        ("GET /?trace", "trace"),
        ("GET /?trace=", "trace"),
        ("GET /?trace=on", "trace"),
        ("GET /?q=a%26b", "odd"),
        ("GET /?", "default"),
    ]);
}

fn by_cookie(ctx: &Context) {
    let rules = ["cookie=canary:1 -> canary", "cookie=beta -> beta"];
    RoutedProgram::start(ctx, &rules).assert_routes(&[
        ("GET /\r\nCookie: canary=1", "canary"),
        ("GET /\r\nCookie: a=b; canary=1;c=d", "canary"),
        ("GET /\r\nCookie: a=b\r\nCookie: canary=1", "canary"),
        ("GET /\r\nCookie: canary=0", "default"),
        ("GET /\r\nCookie: xcanary=1", "default"),
        ("GET /\r\nCookie: Canary=1", "default"),
        ("GET /\r\nCookie: a=canary=1", "default"),
        ("GET /\r\nCookie: beta=", "beta"),
        ("GET /\r\nCookie: beta", "default"),
    ]);
}

fn the_host_decides_before_the_path_and_more_conditions_before_fewer(ctx: &Context) {
    let rules = [
        "path=/api/* -> api",
        "path=/api/* method=POST -> write",
        "path=/api/* method=POST header=X-Env:beta -> beta",
        "host=*.a.test -> below",
        "host=a.test path=/x -> x",
        "header=X-Env:beta -> env",
    ];
    RoutedProgram::start(ctx, &rules).assert_routes(&[
        ("GET /api", "api"),
        ("POST /api\r\nContent-Length: 0", "write"),
        ("POST /api\r\nContent-Length: 0\r\nX-Env: beta", "beta"),
        ("GET /api\r\nX-Env: beta", "api"),
        ("GET /other\r\nX-Env: beta", "env"),
        ("GET /api\r\nHost: b.a.test", "below"),
        ("GET /x\r\nHost: a.test", "x"),
        // No rule for its host matches, so rules for any host may.
        ("GET /api/y\r\nHost: a.test", "api"),
        ("GET /y\r\nHost: a.test", "default"),
    ]);
}

fn a_rule_without_conditions_takes_what_no_other_takes(ctx: &Context) {
    RoutedProgram::start(ctx, &["-> rest", "path=/a -> a"]).assert_routes(&[("GET /a", "a"), ("GET /b", "rest")]);
}

fn each_request_of_a_connection_is_routed_by_itself(ctx: &Context) {
    let program = RoutedProgram::start(ctx, &["path=/a/* -> a", "path=/b/* -> b"]);
    let mut client = program.program.client();
    let ahead: String = ["/a", "/b/", "/", "/b", "/a/x"]
        .map(|path| format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n/a /"))
        .concat();
    client.send(ahead);
    let answers: Vec<_> = (0..5).map(|_| client.response("POST").text()).collect();
    assert_eq!(answers, ["a", "b", "default", "b", "a"]);
}
