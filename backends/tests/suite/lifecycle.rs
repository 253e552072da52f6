//! Starting and stopping, alone and in bundles.

use std::io::ErrorKind;
use std::net::TcpStream;

use backends::{Backend, BackendConfig, Bundle, start_bundled};

use crate::client::{Client, ask, until};

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
    until("all are in flight", || backend.in_flight() == 3);
    drop(backend);
    // The kernel lets a thread be joined a moment before its entry in /proc is gone.
    until("the thread is gone", || !has_thread("soon-gone"));
    assert!(TcpStream::connect(addr).is_err());
    clients[0].end().unwrap();
}

#[test]
fn port_in_use_is_an_error_that_names_the_address() {
    let first = Backend::start(config(0, "first")).unwrap();
    let error = Backend::start(config(first.addr().port(), "second")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&first.addr().to_string()), "{error}");
    assert_eq!(ask(first.addr(), "GET /").json()["server_id"], "first");
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
    assert_eq!(ask(backend.addr(), "GET /").status, 200);
    backend.stop();
    let again = Backend::start(config(port, "two")).unwrap();
    assert_eq!(ask(again.addr(), "GET /").json()["server_id"], "two");
}

#[test]
fn bundle_takes_a_free_port_for_one_that_is_taken() {
    // The port after any listener's may be taken, but its own certainly is.
    let squatter = Backend::start(config(0, "squatter")).unwrap();
    let port = squatter.addr().port();
    let bundle = start_bundled(1, port).unwrap();
    assert_eq!(bundle.taken(), [port]);
    assert_ne!(bundle.addrs()[0].port(), port);
    assert_eq!(ask(bundle.addrs()[0], "GET /").json()["server_id"], "backend-1");
}

#[test]
fn bundle_numbers_its_backends() {
    let bundle = start_bundled(3, 0).unwrap();
    let ids: Vec<_> = bundle.backends().iter().map(Backend::id).collect();
    assert_eq!(ids, ["backend-1", "backend-2", "backend-3"]);
    assert!(bundle.taken().is_empty());
    for (backend, addr) in bundle.backends().iter().zip(bundle.addrs()) {
        assert_eq!(ask(addr, "GET /").json()["server_id"], backend.id());
    }
}

#[test]
fn bundle_starts_whole_or_not_at_all() {
    let taken = Backend::start(config(0, "taken")).unwrap();
    let error = Bundle::start([config(0, "a"), config(taken.addr().port(), "b")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn works_from_within_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let backend = Backend::start(BackendConfig::default()).unwrap();
        backend.set_fault(backends::Fault::Down).unwrap();
        backend.set_fault(backends::Fault::None).unwrap();
        assert_eq!(ask(backend.addr(), "GET /").status, 200);
    });
}
