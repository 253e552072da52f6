//! The program from the outside: its command line and its output.

use std::fs;
use std::net::TcpListener;

use crate::Context;
use crate::case::cases;
use crate::process::{Options, Program};
use crate::wait::until;

use super::{PROGRAM, Site, ask, run};

cases! { "files";
    Fast a_refused_command_line_is_one_line_and_64,
    Fast a_port_in_use_is_one_line_and_1,
    Fast without_a_directory_it_serves_the_current_one,
    Fast the_log_names_requests,
    Fast a_root_that_is_replaced_stays_the_old_one,
}

fn a_refused_command_line_is_one_line_and_64(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    let (root, file) = (site.root(), site.path("file"));
    let (root, file) = (root.to_str().unwrap(), file.to_str().unwrap());
    for (positional, flags, says) in [
        (&["0", "/does/not/exist"][..], &[][..], "cannot serve '/does/not/exist': "),
        (&["0", file], &[], "cannot serve '"),
        (&["0", root, "more"], &[], "unexpected argument 'more'"),
        (&["http", root], &[], "the port to listen on"),
        (&["70000", root], &[], "the port to listen on"),
        (&["0", root], &["--bind", "localhost"], "an IP address"),
        (&["0", root], &["--trusted-proxy", "10.0.0.0/8"], "--trusted-proxy has no effect"),
        (&["0", root], &["--sendfile"], "unexpected argument '--sendfile'"),
    ] {
        let finished = run(ctx, positional, flags);
        assert_eq!((finished.code, finished.stderr.lines().count()), (64, 1), "{positional:?} {flags:?}: {finished:?}");
        assert!(finished.stderr.starts_with("file_server: ") && finished.stderr.contains(says), "{finished:?}");
        assert!(finished.stdout.is_empty(), "{finished:?}");
    }
}

fn a_port_in_use_is_one_line_and_1(ctx: &Context) {
    let (taken, site) = (TcpListener::bind(("127.0.0.1", 0)).unwrap(), Site::new());
    let port = taken.local_addr().unwrap().port().to_string();
    let finished = run(ctx, &[&port, site.root().to_str().unwrap()], &[]);
    assert_eq!((finished.code, finished.stderr.lines().count()), (1, 1), "{finished:?}");
    assert!(finished.stderr.contains("the address is in use"), "{finished:?}");
}

/// The current directory of a test is its package's.
fn without_a_directory_it_serves_the_current_one(ctx: &Context) {
    let args = vec!["0".to_owned()];
    let program = Program::start(ctx.other_program(PROGRAM), &args, Options::default(), ctx.children());
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    assert_eq!(program.client().get("/Cargo.toml").text(), manifest);
}

fn the_log_names_requests(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    let program = site.start(ctx, &["--log-requests"]);
    let mut client = program.client();
    assert_eq!(ask(&mut client, "GET", "/file?a=1", "").status(), 200);
    assert_eq!(ask(&mut client, "HEAD", "/none", "").status(), 404);
    client.send("\0");
    assert_eq!(client.response("GET").status(), 400);
    for says in ["127.0.0.1 GET 200 /file?a=1 ", "127.0.0.1 HEAD 404 /none ", "127.0.0.1 - 400 "] {
        until(says, || program.stderr().contains(says));
    }
}

fn a_root_that_is_replaced_stays_the_old_one(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"old");
    let program = site.start(ctx, &[]);
    fs::rename(site.root(), site.parent.path().join("moved")).unwrap();
    fs::create_dir(site.root()).unwrap();
    site.write("file", b"new");
    assert_eq!(program.client().get("/file").text(), "old");
}
