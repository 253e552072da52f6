//! A start without arguments: an admin interface on a fixed port or the next, which can only be read.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it skips")]

use std::{net::TcpListener, path::Path};

use integration_tests::{admin_client::AdminClient, process::Program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_observable_lb");

#[test]
fn a_bare_start_can_be_read_and_not_changed_and_takes_the_next_free_port() {
    if let Err(error) = TcpListener::bind("127.0.0.1:8080") {
        println!("skipped: a bare start listens on 127.0.0.1:8080: {error}");
        return;
    }
    // Ours, or somebody else's: it is taken.
    let _taken = TcpListener::bind("127.0.0.1:9900");
    let balancer = Program::begin(Path::new(PROGRAM), &[]);
    let admin = AdminClient::of(&balancer);
    assert!(admin.addr().port() > 9900 && admin.addr().ip().is_loopback(), "{}", admin.addr());
    balancer.wait_stdout("read-only: start with --admin");
    let host = format!("Host: {}\r\n", admin.addr());
    assert!(admin.send("GET", "/metrics", &host, "").text().contains("\nlb_requests_total{"));
    let backend = admin.backend_names().remove(0);
    for (method, target) in [
        ("POST", format!("/backends/{backend}/drain")),
        ("PUT", format!("/backends/{backend}/weight")),
        ("DELETE", format!("/backends/{backend}")),
        ("POST", "/backends".to_owned()),
        ("POST", "/nothing".to_owned()),
    ] {
        let (status, body) = admin.request(method, &target, "{\"weight\": 0}");
        assert!(
            status == 403 && body["error"].as_str().unwrap().contains("--admin"),
            "{method} {target}: {status} {body}"
        );
    }
    assert_eq!(admin.backend_names().len(), 3);
}

#[test]
fn with_an_argument_there_is_no_admin_interface_unless_it_is_asked_for() {
    let balancer = Program::begin(Path::new(PROGRAM), &["0", "127.0.0.1:9", "--check", "off"]);
    balancer.wait_stdout("at most ");
    assert!(!balancer.stdout().contains("admin interface"), "{}", balancer.stdout());
}
