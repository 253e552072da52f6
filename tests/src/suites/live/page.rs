//! The page as bytes: who gets it, and what it lets a browser do.

use super::{backend, start};
use crate::Context;
use crate::admin_client::json;
use crate::case::cases;

cases! { "live";
    Fast browsers_get_the_page_and_others_the_list_of_endpoints,
    Fast the_page_loads_nothing_and_may_run_nothing_else,
}

fn browsers_get_the_page_and_others_the_list_of_endpoints(ctx: &Context) {
    let a = backend();
    let (_program, admin) = start(ctx, &[a.addr()], &[]);
    let get = |fields: &str| admin.send("GET", "/", &format!("Host: {}\r\n{fields}", admin.addr()), "");
    for fields in [
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n",
        "Accept: application/json;q=0.1\r\nAccept: text/html\r\n",
    ] {
        let response = get(fields);
        assert_eq!((response.status(), response.fields().get("vary")), (200, Some("accept")), "{:?}", response.head);
        assert_eq!(response.fields().get("content-type"), Some("text/html; charset=utf-8"));
        assert!(response.text().starts_with("<!DOCTYPE html>"), "{:?}", response.head);
    }
    for fields in ["", "Accept: */*\r\n", "Accept: application/json\r\n", "Accept: text/html;q=0\r\n"] {
        let help = json(&get(fields)).to_string();
        assert!(["/live.json", "/events", "in a browser"].iter().all(|path| help.contains(path)), "{help}");
    }
}

fn the_page_loads_nothing_and_may_run_nothing_else(ctx: &Context) {
    let a = backend();
    let (_program, admin) = start(ctx, &[a.addr()], &[]);
    let response = admin.send("GET", "/", &format!("Host: {}\r\nAccept: text/html\r\n", admin.addr()), "");
    let policy = response.fields().get("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(response.fields().get("x-content-type-options"), Some("nosniff"));
    let html = response.text();
    assert!(html.len() < 40_000, "{} bytes", html.len());
    // What a name of another host would stand in; the one of SVG is a name and is never fetched.
    let foreign = html.replace("http://www.w3.org/2000/svg", "");
    assert!(!foreign.contains("http://") && !foreign.contains("https://") && !foreign.contains("src="));
}
