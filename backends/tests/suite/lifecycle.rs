//! Starting and stopping, alone and bundled.

use std::io::ErrorKind;
use std::net::TcpStream;

use backends::{Backend, BackendConfig, BundledBackends, start_bundled};

use crate::client::{Client, request, wait_until};

fn config(port: u16, id: &str) -> BackendConfig {
    BackendConfig { port, id: id.to_owned(), ..BackendConfig::default() }
}

/// Whether this process has a thread of that name.
#[cfg(target_os = "linux")]
fn has_thread(name: &str) -> bool {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .any(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name))
}

#[test]
#[cfg(target_os = "linux")]
fn drop_ends_the_thread_with_requests_in_flight() {
    let backend = Backend::start(config(0, "soon-gone")).unwrap();
    let addr = backend.addr();
    assert!(has_thread("soon-gone"));
    let mut clients: Vec<_> = ["/delay/60000", "/stream", "/bytes/1000000000"]
        .into_iter()
        .map(|path| {
            let mut client = Client::connect(addr);
            client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            client
        })
        .collect();
    wait_until("all are in flight", || backend.in_flight() == 3);
    drop(backend);
    // The kernel lets a thread be joined a moment before its entry in /proc is gone.
    wait_until("the thread is gone", || !has_thread("soon-gone"));
    assert!(TcpStream::connect(addr).is_err());
    clients[0].read_fin().unwrap();
}

#[test]
fn port_in_use_is_an_error_that_names_the_address() {
    let first = Backend::start(config(0, "first")).unwrap();
    let error = Backend::start(config(first.addr().port(), "second")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&first.addr().to_string()), "{error}");
    assert_eq!(request(first.addr(), "GET /").json()["server_id"], "first");
}

#[test]
fn id_that_is_no_header_value_is_an_error() {
    let error = Backend::start(config(0, "two\r\nlines")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn stopped_backend_frees_its_port() {
    let backend = Backend::start(config(0, "one")).unwrap();
    let port = backend.addr().port();
    assert_eq!(request(backend.addr(), "GET /").status, 200);
    backend.stop();
    let again = Backend::start(config(port, "two")).unwrap();
    assert_eq!(request(again.addr(), "GET /").json()["server_id"], "two");
}

#[test]
fn start_bundled_uses_a_free_port_when_one_is_in_use() {
    // The port after any listener's may be taken, but its own certainly is.
    let first = Backend::start(config(0, "first")).unwrap();
    let port = first.addr().port();
    let bundled = start_bundled(1, port).unwrap();
    assert_eq!(bundled.unavailable_ports(), [port]);
    assert_ne!(bundled.addrs()[0].port(), port);
    assert_eq!(request(bundled.addrs()[0], "GET /").json()["server_id"], "backend-1");
}

#[test]
fn start_bundled_numbers_the_backends() {
    let bundled = start_bundled(3, 0).unwrap();
    let ids: Vec<_> = bundled.backends().iter().map(Backend::id).collect();
    assert_eq!(ids, ["backend-1", "backend-2", "backend-3"]);
    assert!(bundled.unavailable_ports().is_empty());
    for (backend, addr) in bundled.backends().iter().zip(bundled.addrs()) {
        assert_eq!(request(addr, "GET /").json()["server_id"], backend.id());
    }
}

#[test]
fn bundled_backends_start_all_or_none() {
    let taken = Backend::start(config(0, "taken")).unwrap();
    let error = BundledBackends::start([config(0, "a"), config(taken.addr().port(), "b")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn works_from_within_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let backend = Backend::start(BackendConfig::default()).unwrap();
        backend.set_fault(backends::Fault::Down).unwrap();
        backend.set_fault(backends::Fault::None).unwrap();
        assert_eq!(request(backend.addr(), "GET /").status, 200);
    });
}
