//! Paths: decoded once, and never out of the root.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::Context;
use crate::case::cases;
use crate::wait::ms;

use super::{Site, ask};

cases! { "files";
    Fast paths_are_percent_decoded_once,
    Fast no_path_leaves_the_root,
    Fast symbolic_links_are_followed_within_the_root_only,
    Fast hidden_files_are_not_found,
    Fast directories_have_an_index_or_nothing,
    Fast only_regular_files_are_served_and_a_fifo_blocks_nobody,
    Fast a_file_without_permission_gets_403,
}

fn paths_are_percent_decoded_once(ctx: &Context) {
    let site = Site::new();
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    for (name, target) in [
        ("a b.txt", "/a%20b.txt"),
        ("\u{e4}/\u{20ac}.txt", "/%C3%A4/%e2%82%ac.txt"),
        ("plus+.txt", "/plus+.txt"),
        ("%2e%2e", "/%252e%252e"),
        ("a..b", "/a..b"),
        ("query?", "/query%3F?query"),
        ("hash#", "/hash%23"),
        ("plain", "/%70%6c%61in?../../x"),
    ] {
        site.write(name, name.as_bytes());
        let response = ask(&mut client, "GET", target, "");
        assert_eq!((response.status(), response.text().as_str()), (200, name), "{target}");
    }
    let absolute = ask(&mut client, "GET", "http://test/plain", "");
    assert_eq!((absolute.status(), absolute.text().as_str()), (200, "plain"), "absolute-form");
    for target in ["/%", "/%2", "/%zz", "/plain%"] {
        assert_eq!(ask(&mut client, "GET", target, "").status(), 400, "{target}");
    }
}

fn no_path_leaves_the_root(ctx: &Context) {
    let site = Site::new();
    fs::write(site.parent.path().join("secret.txt"), "secret").unwrap();
    site.write("sub/inside.txt", b"inside");
    let program = site.start(ctx, &[]);
    let absolute = format!("/{}", site.parent.path().join("secret.txt").display());
    let encoded = absolute.replace('/', "%2f");
    for target in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/.%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "/..;/secret.txt",
        "/sub/inside.txt%00",
        "/..%00/secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/sub/../sub/inside.txt",
        "/./sub/inside.txt",
        "//sub/inside.txt",
        &absolute,
        &format!("/{encoded}"),
    ] {
        let response = ask(&mut program.client(), "GET", target, "");
        assert_eq!(response.status(), 404, "{target}");
        assert!(!response.text().contains("secret") && !response.text().contains("inside"), "{target}");
    }
    // The parser refuses a raw backslash: some servers read it as a slash.
    assert_eq!(ask(&mut program.client(), "GET", "/..\\secret.txt", "").status(), 400);
}

fn symbolic_links_are_followed_within_the_root_only(ctx: &Context) {
    let site = Site::new();
    fs::write(site.parent.path().join("secret.txt"), "secret").unwrap();
    site.write("sub/inside.txt", b"inside");
    for (target, name) in [
        ("sub/inside.txt", "file"),
        ("../secret.txt", "out"),
        ("sub/../../secret.txt", "detour"),
        ("/etc/hostname", "absolute"),
        ("..", "parent"),
        ("/", "slash"),
        ("/proc/self/root", "magic"),
        ("loop", "loop"),
        ("none", "dangling"),
    ] {
        symlink(target, site.path(name)).unwrap();
    }
    symlink("../../secret.txt", site.path("sub/index.html")).unwrap();
    let program = site.start(ctx, &[]);
    if cfg!(target_os = "linux") {
        assert_eq!(program.client().get("/file").text(), "inside");
    }
    for target in [
        "/out",
        "/detour",
        "/absolute",
        "/parent/secret.txt",
        "/parent",
        "/parent/",
        "/slash/etc/hostname",
        "/magic/etc/hostname",
        "/loop",
        "/dangling",
        "/sub/",
    ] {
        assert_eq!(program.client().get(target).status(), 404, "{target}");
    }
}

fn hidden_files_are_not_found(ctx: &Context) {
    let site = Site::new();
    for name in [".env", ".git/config", "sub/.htpasswd", ".well-known/acme-challenge/token", ".well-known/.env"] {
        site.write(name, b"content");
    }
    let program = site.start(ctx, &[]);
    for (target, expected) in [
        ("/.env", 404),
        ("/%2eenv", 404),
        ("/.git/config", 404),
        ("/.git", 404),
        ("/sub/.htpasswd", 404),
        ("/.well-known/.env", 404),
        ("/.well-known/acme-challenge/token", 200),
    ] {
        assert_eq!(program.client().get(target).status(), expected, "{target}");
    }
}

fn directories_have_an_index_or_nothing(ctx: &Context) {
    let site = Site::new();
    site.write("index.html", b"top");
    site.write("sub/index.html", b"sub");
    site.write("bare/file.txt", b"file");
    site.write("odd/index.html/file.txt", b"file");
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    assert_eq!(client.get("/").text(), "top");
    let index = client.get("/sub/?query");
    assert_eq!((index.text().as_str(), index.fields().get("content-type")), ("sub", Some("text/html; charset=utf-8")));
    for (target, location) in [("/sub", "/sub/"), ("/sub?a=b", "/sub/?a=b"), ("/%73ub", "/%73ub/"), ("/bare", "/bare/")]
    {
        let response = ask(&mut client, "GET", target, "");
        assert_eq!((response.status(), response.fields().get("location")), (301, Some(location)), "{target}");
    }
    assert_eq!(ask(&mut client, "HEAD", "/sub", "").status(), 301);
    for target in ["/bare/", "/odd/", "/none", "/none/", "/index.html/", "/sub/index.html/x"] {
        let response = client.get(target);
        assert_eq!(response.status(), 404, "{target}");
        assert!(!response.text().contains("file.txt"), "{target}: a listing");
    }
    // A client would take `//host` for another server.
    for target in ["//sub", "//sub/..", "/%2fsub", "/%5csub"] {
        let response = client.get(target);
        assert_eq!((response.status(), response.fields().get("location")), (404, None), "{target}");
    }
}

fn only_regular_files_are_served_and_a_fifo_blocks_nobody(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    mkfifo(&site.path("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
    let _socket = UnixListener::bind(site.path("socket")).unwrap();
    // One worker: if it blocked, nobody would be served.
    let program = site.start(ctx, &["--workers", "1"]);
    let mut other = program.client();
    for target in ["/fifo", "/socket"] {
        let mut client = program.client();
        client.request("GET", target, "");
        assert_eq!(other.get("/file").text(), "content", "{target}: the worker is blocked");
        assert_eq!(client.response("GET").status(), 404, "{target}");
    }
    other.expect_no_input(ms(1));
}

fn a_file_without_permission_gets_403(ctx: &Context) {
    let site = Site::new();
    site.write("private", b"private");
    fs::set_permissions(site.path("private"), fs::Permissions::from_mode(0o000)).unwrap();
    let program = site.start(ctx, &[]);
    let response = program.client().get("/private");
    if fs::read(site.path("private")).is_ok() {
        println!("skipped: root may read everything");
    } else {
        assert_eq!(response.status(), 403);
    }
}
