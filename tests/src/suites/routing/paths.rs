//! Paths: exact, prefix and suffix, at segment boundaries, after normalization.

use super::RoutedProgram;
use crate::Context;
use crate::case::cases;
use crate::client::Client;
use crate::suites::local_reply;

cases! { "routing";
    Fast by_path_exact_before_the_longest_prefix_before_a_suffix,
    Fast a_prefix_ends_where_a_segment_ends,
    Fast a_rule_cannot_be_bypassed_by_another_spelling,
    Fast a_pattern_with_a_parameter_matches_that_parameter,
    Fast the_backend_receives_the_path_that_was_matched,
    Fast a_path_that_can_be_read_in_two_ways_is_refused,
}

fn by_path_exact_before_the_longest_prefix_before_a_suffix(ctx: &Context) {
    let rules = [
        "path=*.png -> images",
        "path=/api/* -> api",
        "path=/api/v1/* -> v1",
        "path=/api/v1/login -> login",
        "path=*.min.js -> small",
        "path=*.js -> script",
    ];
    RoutedProgram::start(ctx, &rules).assert_routes(&[
        ("GET /api/v1/login", "login"),
        ("GET /api/v1/login?next=/api/v2", "login"),
        ("GET /api/v1/login/", "v1"),
        ("GET /api/v1", "v1"),
        ("GET /api/v1/logo.png", "v1"),
        ("GET /api/v2", "api"),
        ("GET /logo.png", "images"),
        ("GET /a/b/logo.png?size=2", "images"),
        ("GET /logo.png/", "default"),
        ("GET /logo.PNG", "default"),
        ("GET /?x=/logo.png", "default"),
        ("GET /a.js", "script"),
        ("GET /a.min.js", "small"),
        ("HEAD /", ""),
    ]);
}

fn a_prefix_ends_where_a_segment_ends(ctx: &Context) {
    RoutedProgram::start(ctx, &["path=/api/* -> api", "path=/one -> one"]).assert_routes(&[
        ("GET /api", "api"),
        ("GET /api/", "api"),
        ("GET /api?x", "api"),
        ("GET /api/x", "api"),
        ("GET /apix", "default"),
        ("GET /api.html", "default"),
        ("GET /api%20", "default"),
        ("GET /api;v=1", "api"),
        ("GET /apix;v=1", "default"),
        ("GET /API", "default"),
        ("GET /x/api", "default"),
        ("GET /one", "one"),
        ("GET /one?x=1", "one"),
        ("GET /one/", "default"),
        ("GET /ones", "default"),
        ("OPTIONS *", "default"),
    ]);
}

fn a_rule_cannot_be_bypassed_by_another_spelling(ctx: &Context) {
    let program = RoutedProgram::start(ctx, &["path=/admin/* -> admin"]);
    let spellings = [
        "/admin",
        "//admin",
        "///admin//x",
        "/./admin",
        "/x/../admin",
        "/x/../admin/y",
        "/x/y/../../admin",
        "/../../admin",
        "/%61dmin",
        "/%61%64%6d%69%6E/x",
        "/x/%2e%2e/admin",
        "/x/%2E./admin/",
        "/.%2e/admin",
        "/admin/x/..",
        "/admin/.",
        "/admin;v=1",
        "/admin;v=1/y",
        "/;x/admin;/y",
        "/%61dmin;a=b;c/y",
        "http://test/x/../admin",
    ];
    let table: Vec<_> = spellings.iter().map(|path| (format!("GET {path}"), "admin")).collect();
    let table: Vec<_> = table.iter().map(|(head, group)| (head.as_str(), *group)).collect();
    program.assert_routes(&table);
    // A path that leaves the prefix by dot segments does not match it.
    program.assert_routes(&[
        ("GET /admin/../x", "default"),
        ("GET /admin/%2e%2e/x", "default"),
        ("GET /admin/..", "default"),
    ]);
}

fn a_pattern_with_a_parameter_matches_that_parameter(ctx: &Context) {
    RoutedProgram::start(ctx, &["path=/api/* -> api", "path=/api;v=2/* -> v2"]).assert_routes(&[
        ("GET /api/x", "api"),
        ("GET /api;v=1/x", "api"),
        ("GET /api;v=2/x", "v2"),
        ("GET /api;v=2", "v2"),
    ]);
}

fn the_backend_receives_the_path_that_was_matched(ctx: &Context) {
    let program = RoutedProgram::start(ctx, &["path=/api/* -> api"]);
    let mut client = program.program.client();
    for (sent, seen) in [
        ("/x/../api/v1", "/api/v1"),
        ("/api/./v1/", "/api/v1/"),
        ("/api/a/..", "/api/"),
        ("/api/%7Euser/%41", "/api/~user/A"),
        ("/api/a%3fb%e2%82%ac", "/api/a%3Fb%E2%82%AC"),
        ("/api/../api/x?next=/a/../b&e=%2f", "/api/x?next=/a/../b&e=%2f"),
        ("/api/v1?", "/api/v1?"),
        // Two slashes count as one for the rule, and parameters not at all; the backend gets them unchanged.
        ("//api//x", "//api//x"),
        ("/api;v=1/x", "/api;v=1/x"),
        ("/api/...", "/api/..."),
        ("/api/..x/.y", "/api/..x/.y"),
    ] {
        let response = client.get(sent);
        assert_eq!((response.status(), response.text().as_str()), (200, "api"), "{sent}");
        assert_eq!(program.backends[0].last_request().0.target, seen, "{sent}");
    }
}

fn a_path_that_can_be_read_in_two_ways_is_refused(ctx: &Context) {
    let program = RoutedProgram::start(ctx, &["path=/api/* -> api", "-> all"]);
    for path in [
        "/api/%2f",
        "/api%2Fv1",
        "/%2F",
        "/api/%00",
        "/%00",
        "/api/%5c..",
        "/a//..",
        "/a//../api",
        "/a//%2e%2e",
        "//..",
        "/api/%zz",
        "/api/%4",
        "/api/%",
        "/x/..;/api",
        "/api/.;a=b/",
    ] {
        let mut client = program.program.client();
        client.request("GET", path, "");
        local_reply::assert_local(&client.response("GET"), 400);
        client.expect_closed();
    }
    assert_eq!(program.routed(), 0, "none of the requests reached a backend");
    // In a query the same bytes do not change the path.
    let answer = |client: &mut Client, target| client.get(target).text();
    let mut client = program.program.client();
    assert_eq!(answer(&mut client, "/api/x?f=%2f%00//..&%zz"), "api");
    assert_eq!(answer(&mut client, "/a//b"), "all");
}
