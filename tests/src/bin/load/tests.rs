//! Whole runs: against `hyper`, which implements HTTP correctly, and against sockets that do not.

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    thread,
    time::Duration,
};

use common::net::set_reset_on_close;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};

use super::*;
use crate::{expect::pattern, report::Latency};

/// Runs `load` with this command line against `address`.
fn load(address: SocketAddr, line: &str) -> Report {
    let line = format!("load --quiet {}", line.replace("URL", &format!("http://{address}")));
    let options = Options::read(line.split(' ').map(Into::into)).unwrap();
    let plan = Plan::of(&options).unwrap();
    run::run(&plan, &options.pids, true, &Shutdown::new().unwrap()).unwrap()
}

/// The failures of a report, as text.
fn failures(report: &Report) -> Vec<(&str, u64)> {
    report.failures.iter().map(|(kind, &count)| (kind.as_str(), count)).collect()
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let received = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let whole = |bytes: Vec<u8>| Full::new(Bytes::from(bytes)).boxed();
    let body = match path.rsplit_once('/') {
        Some(("/bytes", n)) => whole(pattern(n.parse().unwrap_or(0))),
        Some(("/chunked", n)) => {
            let pieces: Vec<_> = pattern(n.parse().unwrap_or(0))
                .chunks(1_000)
                .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
                .collect();
            StreamBody::new(futures_util::stream::iter(pieces)).boxed()
        }
        Some(("", "length")) => whole(received.len().to_string().into_bytes()),
        Some(("", "slow")) => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            whole(b"slow".to_vec())
        }
        _ => whole(b"hello".to_vec()),
    };
    let status = if path == "/error" { 503 } else { 200 };
    let response = Response::builder().status(status).header("X-Server-ID", "b1").body(body);
    Ok(response.unwrap())
}

/// A `hyper` server on its own thread; it ends with the test process.
fn hyper_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let http = hyper::server::conn::http1::Builder::new();
                let connection = http.serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(connection);
            }
        });
    });
    address
}

/// Reads a request on each connection and passes the connection to `then`.
fn raw_server(then: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            then(stream);
        }
    });
    address
}

/// Answers each connection's request with `text` and closes.
fn text_server(text: &'static str) -> SocketAddr {
    raw_server(move |mut stream| stream.write_all(text.as_bytes()).unwrap())
}

#[test]
fn closed_loop_counts_every_answer_of_hyper() {
    let address = hyper_server();
    for (path, body) in [("/bytes/3000", 3_000), ("/chunked/3000", 3_000), ("/bytes/200000", 200_000)] {
        let report = load(address, &format!("URL{path} -n 500 -c 7 -t 2"));
        assert_eq!((report.requests, failures(&report)), (500, vec![]), "{path}");
        assert_eq!(report.connections_opened, 7);
        assert_eq!(report.servers, [("b1".to_owned(), 500)].into());
        assert!(report.bytes_received > 500 * body);
        let Latency { p50, p99, max, .. } = report.latency_us;
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{:?}", report.latency_us);
    }
}

#[test]
fn sends_bodies_fields_and_fresh_connections_as_asked() {
    let address = hyper_server();
    let report = load(address, "URL/length -n 20 -c 2 --body-size 300000 --expect-body-len 6");
    assert_eq!((report.requests, failures(&report)), (20, vec![]));
    let report = load(address, "URL/ -n 20 -c 2 --new-connection --expect-body-len 5");
    assert_eq!((report.connections_opened, failures(&report)), (20, vec![]));
    let report = load(address, "URL/bytes/9 -n 20 -c 2 --method HEAD -H Connection:close");
    assert_eq!((report.connections_opened, failures(&report)), (20, vec![]));
}

#[test]
fn open_loop_keeps_its_rate_and_counts_waiting_as_latency() {
    let address = hyper_server();
    let report = load(address, "URL/ --rate 200 -d 300ms --warm-up 100ms -c 4");
    assert_eq!((report.requests, report.warm_up_requests), (60, 20));
    assert_eq!((report.never_sent, failures(&report)), (0, vec![]));

    // 50 responses a second against 200 requested: each waits longer than the one before.
    let report = load(address, "URL/slow --rate 200 -n 40 -c 1");
    let uncorrected = report.uncorrected_latency_us.unwrap();
    assert_eq!((report.requests, report.never_sent), (40, 0));
    assert!(report.latency_us.max > 10.0 * uncorrected.p50, "{:?} {uncorrected:?}", report.latency_us);

    let report = load(address, "URL/slow --rate 1000 -d 100ms -c 1");
    assert_eq!(report.requests + report.never_sent, 100);
    assert!(report.never_sent > 50);
}

#[test]
fn each_fault_is_counted_under_its_own_name() {
    // Bound but not listening: connects are refused, and no other program can take the port.
    let unused = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    unused.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let unused_address = unused.local_addr().unwrap().as_socket().unwrap();
    let reset = raw_server(|stream| set_reset_on_close(&stream.as_fd()));
    let cases = [
        (hyper_server(), "URL/error", "status 503"),
        (hyper_server(), "URL/ --expect-status 201", "status 200"),
        (hyper_server(), "URL/ --expect-body-len 6", "wrong body: length"),
        (unused_address, "URL/", "connect refused"),
        (reset, "URL/", "reset"),
        (raw_server(drop), "URL/", "closed without an answer"),
        (raw_server(std::mem::forget), "URL/ --timeout 200ms", "timeout"),
        (text_server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), "URL/", "truncated"),
        (text_server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"), "URL/", "stray bytes after the answer"),
        (text_server("SSH-2.0-x\r\n"), "URL/", "malformed: no HTTP/1 status line"),
        (
            // It announces the close; otherwise the next request could meet the end of the connection.
            text_server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab"),
            "URL/bytes/2",
            "wrong body: byte i is not i % 251",
        ),
    ];
    for (address, line, kind) in cases {
        let report = load(address, &format!("{line} -n 3 -c 1"));
        assert_eq!(failures(&report), [(kind, 3)], "{line}");
        assert!(!report.is_clean());
    }
}

#[test]
fn answer_that_comes_before_the_request_was_read_is_taken() {
    // The server reads 4 kB of 8 MB and never more: the answer must be read while the body waits.
    let address = raw_server(|mut stream| {
        stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n").unwrap();
        std::mem::forget(stream);
    });
    let report = load(address, "URL/ -n 3 -c 1 --body-size 8000000 --expect-status 413 --timeout 10s");
    assert_eq!(failures(&report), []);
    assert_eq!(report.connections_opened, 3, "a connection with half a request pending is not reused");
}

#[test]
fn answers_until_close_and_interim_ones_are_whole() {
    let report = load(text_server("HTTP/1.0 200 OK\r\n\r\nhello"), "URL/ -n 3 -c 1 --expect-body-len 5");
    assert_eq!((report.connections_opened, failures(&report)), (3, vec![]));
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    assert_eq!(failures(&load(text_server(interim), "URL/ -n 3 -c 1")), []);
}

#[test]
fn connection_that_ended_between_two_requests_is_replaced() {
    let address = text_server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let report = load(address, "URL/ -n 4 -c 1 --rate 20");
    assert_eq!((report.connections_opened, failures(&report)), (4, vec![]));
}

#[test]
fn process_that_is_not_there_is_refused_before_the_run() {
    let options = Options::read(["load", "127.0.0.1:9", "--pid", "4294967295"].map(Into::into)).unwrap();
    let plan = Plan::of(&options).unwrap();
    let end = run::run(&plan, &options.pids, true, &Shutdown::new().unwrap());
    assert_eq!(end.is_err(), CpuTime::is_available());
}

#[test]
fn interrupt_ends_the_run_with_what_was_counted() {
    let shutdown = Shutdown::new().unwrap();
    let interrupt = shutdown.clone();
    let address = raw_server(move |stream| {
        std::mem::forget(stream);
        interrupt.drain();
    });
    let options = Options::read(["load", &address.to_string(), "-c", "3"].map(Into::into)).unwrap();
    let report = run::run(&Plan::of(&options).unwrap(), &[], true, &shutdown).unwrap();
    assert!(report.interrupted);
    assert_eq!((report.requests, failures(&report)), (0, vec![]));
    assert!(report.abandoned > 0);
}

#[test]
fn json_has_the_numbers_of_the_report() {
    let report = load(hyper_server(), "URL/ -n 10 -c 1");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["requests"], 10);
    assert_eq!(json["failed"], 0);
    assert!(json["latency_us"]["p99_9"].is_number());
    assert!(report.to_string().contains("10 in "));
}
