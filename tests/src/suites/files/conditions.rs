//! Validators and conditional requests: a client does not get what it has.

use std::time::{Duration, SystemTime};

use crate::Context;
use crate::case::cases;
use crate::checker::Framing;
use crate::client::{Client, Response};

use super::{Site, ask, set_modified};

cases! { "files";
    Fast responses_carry_the_headers_of_a_static_file,
    Fast the_media_type_follows_the_extension,
    Fast a_client_with_the_current_version_gets_304,
    Fast a_request_for_another_version_gets_412,
    Fast a_fresh_file_has_a_weak_tag,
    Fast a_modification_time_in_the_future_is_not_sent,
}

fn responses_carry_the_headers_of_a_static_file(ctx: &Context) {
    let site = Site::new();
    site.write("a.txt", b"hello");
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    let get = ask(&mut client, "GET", "/a.txt", "");
    let head = ask(&mut client, "HEAD", "/a.txt", "");
    assert_eq!((get.text().as_str(), head.body.len()), ("hello", 0));
    for name in ["content-type", "content-length", "accept-ranges", "last-modified", "etag"] {
        assert_eq!(get.fields().get(name), head.fields().get(name), "HEAD has the headers of GET: {name}");
    }
    assert_eq!(get.fields().get("accept-ranges"), Some("bytes"));
    let date = |name| httpdate::parse_http_date(get.fields().get(name).unwrap()).unwrap();
    let modified = std::fs::metadata(site.path("a.txt")).unwrap().modified().unwrap();
    let age = modified.duration_since(date("last-modified")).unwrap();
    assert!(age < Duration::from_secs(1), "the same second: {age:?}");
    assert!(date("date").duration_since(SystemTime::now() - Duration::from_mins(1)).is_ok());
    let tag = get.fields().get("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    assert!(!get.fields().has("connection"));
}

fn the_media_type_follows_the_extension(ctx: &Context) {
    let site = Site::new();
    let program = site.start(ctx, &[]);
    for (name, expected) in [
        ("a.html", "text/html; charset=utf-8"),
        ("A.CSS", "text/css; charset=utf-8"),
        ("a.min.js", "text/javascript; charset=utf-8"),
        ("a.png", "image/png"),
        ("a", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
    ] {
        site.write(name, b"x");
        let response = program.client().get(&format!("/{name}"));
        assert_eq!(response.fields().get("content-type"), Some(expected), "{name}");
    }
}

/// The validators of `/a.txt`.
fn validators(client: &mut Client) -> (String, String) {
    let response = ask(client, "HEAD", "/a.txt", "");
    let field = |name| response.fields().get(name).unwrap().to_owned();
    (field("etag"), field("last-modified"))
}

fn assert_not_modified(response: &Response, tag: &str, condition: &str) {
    assert_eq!((response.status(), response.framing), (304, Framing::None), "{condition}");
    assert_eq!(response.fields().get("etag"), Some(tag), "{condition}");
    assert!(response.fields().has("date") && response.fields().has("last-modified"), "{condition}");
    assert!(!response.fields().has("content-length") && !response.fields().has("content-type"), "{condition}");
}

fn a_client_with_the_current_version_gets_304(ctx: &Context) {
    let site = Site::new();
    site.write("a.txt", b"hello");
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    let (tag, modified) = validators(&mut client);
    let before = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (condition, expected) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        ("If-None-Match: *\r\n".into(), 304),
        ("If-None-Match: \"x\"\r\n".into(), 200),
        (format!("If-Modified-Since: {modified}\r\n"), 304),
        (format!("If-Modified-Since: {before}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".into(), 200),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {modified}\r\n"), 200),
        (format!("If-None-Match: {tag}\r\nIf-Modified-Since: {before}\r\n"), 304),
        (format!("If-None-Match: {tag}\r\nRange: bytes=0-1\r\n"), 304),
    ] {
        for method in ["GET", "HEAD"] {
            let response = ask(&mut client, method, "/a.txt", &condition);
            match expected {
                304 => assert_not_modified(&response, &tag, &condition),
                _ => assert_eq!(response.status(), 200, "{method} {condition}"),
            }
        }
    }
    site.write("a.txt", b"other");
    let response = ask(&mut client, "GET", "/a.txt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((response.status(), response.text().as_str()), (200, "other"), "same length, other time");
}

fn a_request_for_another_version_gets_412(ctx: &Context) {
    let site = Site::new();
    site.write("a.txt", b"hello");
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    let (tag, modified) = validators(&mut client);
    for (condition, expected) in [
        (format!("If-Match: {tag}\r\n"), 200),
        ("If-Match: *\r\n".into(), 200),
        ("If-Match: \"x\"\r\n".into(), 412),
        (format!("If-Match: W/{tag}\r\n"), 412),
        (format!("If-Unmodified-Since: {modified}\r\n"), 200),
        ("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".into(), 412),
        (format!("If-Match: {tag}\r\nIf-None-Match: {tag}\r\n"), 304),
        (format!("If-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 412),
    ] {
        assert_eq!(ask(&mut client, "GET", "/a.txt", &condition).status(), expected, "{condition}");
    }
}

fn a_fresh_file_has_a_weak_tag(ctx: &Context) {
    let site = Site::new();
    site.write("a.txt", b"hello");
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    // In the future, so that it is fresh however long this test takes.
    let path = site.path("a.txt");
    set_modified(&path, SystemTime::now() + Duration::from_hours(1));
    let (tag, _) = validators(&mut client);
    assert!(tag.starts_with("W/\""), "{tag}");
    let resumed = ask(&mut client, "GET", "/a.txt", &format!("Range: bytes=1-\r\nIf-Range: {tag}\r\n"));
    assert_eq!(resumed.status(), 200, "a weak tag does not promise the same bytes");
    assert_eq!(ask(&mut client, "GET", "/a.txt", &format!("If-None-Match: {tag}\r\n")).status(), 304);
    set_modified(&path, SystemTime::now() - Duration::from_secs(2));
    let (tag, _) = validators(&mut client);
    assert!(tag.starts_with('"'), "{tag}");
}

fn a_modification_time_in_the_future_is_not_sent(ctx: &Context) {
    let site = Site::new();
    site.write("a.txt", b"hello");
    set_modified(&site.path("a.txt"), SystemTime::now() + Duration::from_hours(24));
    let program = site.start(ctx, &[]);
    let (_, modified) = validators(&mut program.client());
    assert!(httpdate::parse_http_date(&modified).unwrap() <= SystemTime::now(), "{modified}");
}
