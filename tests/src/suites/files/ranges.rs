//! Parts of files (RFC 9110 §14).

use crate::Context;
use crate::case::cases;
use crate::rng::Rng;

use super::{Site, ask};

cases! { "files";
    Fast a_single_range_gets_exactly_these_bytes,
    Fast other_ranges_get_the_whole_file,
    Fast a_range_beyond_the_end_gets_416,
    Fast a_range_of_a_large_file_is_exact_across_many_turns,
    Fast a_download_resumes_only_with_the_same_version,
}

const DIGITS: &[u8] = b"0123456789";

fn a_single_range_gets_exactly_these_bytes(ctx: &Context) {
    let site = Site::new();
    site.write("digits", DIGITS);
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    for (range, body, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=0-4", "01234", "bytes 0-4/10"),
        ("bytes=3-3", "3", "bytes 3-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=0-", "0123456789", "bytes 0-9/10"),
        ("bytes=-1", "9", "bytes 9-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=9-99999999999999999999999999", "9", "bytes 9-9/10"),
        ("BYTES=1-2", "12", "bytes 1-2/10"),
    ] {
        let response = ask(&mut client, "GET", "/digits", &format!("Range: {range}\r\n"));
        assert_eq!((response.status(), response.text().as_str()), (206, body), "{range}");
        assert_eq!(response.fields().get("content-range"), Some(content_range), "{range}");
        assert!(response.fields().has("etag") && response.fields().has("last-modified"), "{range}");
    }
}

fn other_ranges_get_the_whole_file(ctx: &Context) {
    let site = Site::new();
    site.write("digits", DIGITS);
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    for range in ["bytes=5-2", "bytes=0-0,9-9", "bytes=-", "bytes=x-y", "lines=0-1", "bytes=0x0-1", "bytes"] {
        let response = ask(&mut client, "GET", "/digits", &format!("Range: {range}\r\n"));
        assert_eq!((response.status(), response.body.as_slice()), (200, DIGITS), "{range}");
        assert!(!response.fields().has("content-range"), "{range}");
    }
    let twice = ask(&mut client, "GET", "/digits", "Range: bytes=0-0\r\nRange: bytes=1-1\r\n");
    assert_eq!((twice.status(), twice.body.as_slice()), (200, DIGITS));
    let head = ask(&mut client, "HEAD", "/digits", "Range: bytes=0-0\r\n");
    assert_eq!((head.status(), head.fields().get("content-length")), (200, Some("10")), "ranges are for GET");
}

fn a_range_beyond_the_end_gets_416(ctx: &Context) {
    let site = Site::new();
    site.write("digits", DIGITS);
    site.write("empty", b"");
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    for (path, range, size) in [
        ("/digits", "bytes=10-", "bytes */10"),
        ("/digits", "bytes=10-20", "bytes */10"),
        ("/digits", "bytes=99999999999999999999999999-", "bytes */10"),
        ("/digits", "bytes=-0", "bytes */10"),
        ("/empty", "bytes=0-", "bytes */0"),
    ] {
        let response = ask(&mut client, "GET", path, &format!("Range: {range}\r\n"));
        assert_eq!((response.status(), response.fields().get("content-range")), (416, Some(size)), "{range}");
    }
}

fn a_range_of_a_large_file_is_exact_across_many_turns(ctx: &Context) {
    let (site, content) = (Site::new(), Rng::new(3).bytes(5_000_000));
    site.write("large", &content);
    for flags in [&[][..], &["--copy"]] {
        let program = site.start(ctx, flags);
        let response = ask(&mut program.client(), "GET", "/large", "Range: bytes=12345-4999998\r\n");
        assert_eq!(response.status(), 206);
        assert!(response.body == content[12_345..4_999_999], "{flags:?}: the bytes differ");
    }
}

fn a_download_resumes_only_with_the_same_version(ctx: &Context) {
    let site = Site::new();
    site.write("digits", DIGITS);
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    let whole = client.get("/digits");
    let (tag, modified) = (whole.fields().get("etag").unwrap(), whole.fields().get("last-modified").unwrap());
    for (condition, expected) in [
        (tag, 206),
        (modified, 206),
        ("\"x\"", 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 200),
        (&format!("W/{tag}"), 200),
    ] {
        let fields = format!("Range: bytes=4-\r\nIf-Range: {condition}\r\n");
        assert_eq!(ask(&mut client, "GET", "/digits", &fields).status(), expected, "{condition}");
    }
}
