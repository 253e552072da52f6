//! HTTP bodies: a large one goes through a pipe, and nobody can tell.

use std::io::Write as _;
use std::net::SocketAddr;
use std::thread;

use socket2::SockRef;

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::checker::{Framing, ReadError};
use crate::client::Client;
use crate::process::Program;
use crate::rng::{Rng, Sha256Hasher, block};
use crate::suites::layer4::statistic;
use crate::wait::{ms, pause, until};

cases! { "zero_copy";
    Fast a_large_download_is_spliced_and_the_connection_is_kept,
    Fast a_large_upload_is_spliced_up_to_the_next_request,
    Fast what_has_to_be_read_is_copied,
    Fast a_body_that_ends_with_the_connection_is_spliced_for_an_old_client,
    Fast an_early_response_discards_the_upload_in_the_pipe,
    Fast a_backend_that_dies_truncates_the_spliced_body,
    Fast a_client_that_resets_cancels_a_spliced_download,
    Fast a_slow_reader_of_a_spliced_body_gets_all_and_holds_no_other_up,
    Fast a_reader_that_stalls_is_cut_off,
    Fast spliced_bytes_are_counted_in_the_metrics,
    Full a_gibibyte_of_http_each_way,
}

/// A pump reads at most this many bytes of a body with the head, and no body that is shorter is spliced by default.
const COPIED_WITH_HEAD: u64 = 64 * 1024;

fn start(ctx: &Context, backends: &[SocketAddr], flags: &[&str]) -> Program {
    ctx.start(backends, &[&["--mode", "http", "--workers", "1"], flags].concat())
}

fn with_length(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// At least so many bytes are spliced. A reader may have them a moment before they are counted.
fn expect_spliced(program: &Program, least: u64) {
    until(&format!("{least} bytes are spliced"), || statistic(program, "bytes spliced") >= least);
}

fn put(client: &mut Client, body: &[u8]) {
    client.send(format!("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()));
    client.send(body);
}

fn a_large_download_is_spliced_and_the_connection_is_kept(ctx: &Context) {
    let body = Rng::new(9).bytes(3_000_000);
    let backend = Backend::keeping_alive(with_length(&body));
    let program = start(ctx, &[backend.addr()], &[]);
    let mut client = program.client();
    let before = {
        client.get("/");
        program.fds()
    };
    for _ in 0..3 {
        assert!(client.get("/").body == body, "the body was changed");
    }
    expect_spliced(&program, 4 * (3_000_000 - COPIED_WITH_HEAD));
    let copied = statistic(&program, "bytes copied");
    assert!(copied <= 4 * (COPIED_WITH_HEAD + 2_000), "{copied} bytes");
    assert_eq!((backend.connections(), program.fds()), (1, before), "one connection, one pipe");
}

fn a_large_upload_is_spliced_up_to_the_next_request(ctx: &Context) {
    let body = Rng::new(10).bytes(3_000_000);
    let backend = Backend::keeping_alive(ok_response("done"));
    let program = start(ctx, &[backend.addr()], &[]);
    let mut client = program.client();
    let stream = client.stream();
    let request = [
        b"PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 3000000\r\n\r\n",
        body.as_slice(),
        b"GET /next HTTP/1.1\r\nHost: test\r\n\r\n",
    ]
    .concat();
    let sending = thread::spawn(move || (&stream).write_all(&request).unwrap());
    assert_eq!((client.response("PUT").text(), client.response("GET").text()), ("done".into(), "done".into()));
    sending.join().unwrap();
    // Up to 16 KiB are kept for a retry; those that end it are copied.
    expect_spliced(&program, 3_000_000 - 2 * COPIED_WITH_HEAD);
    backend.wait_for("both requests", |connections| {
        let bytes: Vec<_> = connections.iter().flat_map(|connection| connection.bytes.iter().copied()).collect();
        bytes.windows(9).any(|window| window == b"GET /next")
    });
    let recorded = &backend.recordings()[0].bytes;
    let head = recorded.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let arrived = &recorded[head..];
    assert!(arrived.len() >= body.len() && arrived[..body.len()] == body, "the body was changed");
}

fn what_has_to_be_read_is_copied(ctx: &Context) {
    let body = vec![b'x'; 300_000];
    let chunked =
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n", &body[..], b"\r\n0\r\n\r\n"].concat();
    for (response, flags) in [
        (chunked, &[][..]),
        (with_length(&body), &["--copy"]),
        (with_length(&body), &["--splice-threshold", "1MiB"]),
        (with_length(&body), &["--limit-bandwidth", "100MiB,100MiB by=connection"]),
    ] {
        let backend = Backend::keeping_alive(response);
        let program = start(ctx, &[backend.addr()], flags);
        assert!(program.client().get("/").body == body, "{flags:?}: the body was changed");
        assert_eq!(statistic(&program, "bytes spliced"), 0, "{flags:?}");
    }
}

fn a_body_that_ends_with_the_connection_is_spliced_for_an_old_client(ctx: &Context) {
    let body = Rng::new(11).bytes(2_000_000);
    let backend = Backend::answering([b"HTTP/1.1 200 OK\r\n\r\n", &body[..]].concat());
    let program = start(ctx, &[backend.addr()], &[]);
    let mut client = program.client();
    client.send("GET / HTTP/1.0\r\nHost: test\r\n\r\n");
    assert!(client.response("GET").body == body, "the body was changed");
    client.expect_closed();
    expect_spliced(&program, 2_000_000 - 3 * COPIED_WITH_HEAD);
    // For a 1.1 client it becomes chunked.
    assert!(program.client().get("/").body == body, "the body was changed");
}

fn an_early_response_discards_the_upload_in_the_pipe(ctx: &Context) {
    let answer = vec![b'a'; 500_000];
    let response = [b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 500000\r\n\r\n", &answer[..]].concat();
    let backend = Backend::start(move |conn| {
        let Ok(head) = conn.head() else { return };
        if head.method != "PUT" {
            conn.write(ok_response("next"));
            return;
        }
        SockRef::from(conn.stream()).set_recv_buffer_size(64 * 1024).unwrap();
        pause(ms(300)); // meanwhile its receive buffer, our send buffer and the pipe are filled
        conn.write(&response);
        pause(ms(300));
        conn.close();
    });
    let program = start(ctx, &[backend.addr()], &["--splice-threshold", "0"]);
    program.client().get("/");
    let before = program.fds();
    let mut client = program.client();
    let stream = client.stream();
    let sending = thread::spawn(move || (&stream).write_all(&head_and_body(100_000_000)));
    let response = client.response("PUT");
    assert_eq!((response.status(), response.body == answer), (413, true));
    client.expect_closed();
    let _ = sending.join().unwrap(); // may fail: after the response, the rest is read for a short time only
    drop(client);
    let spliced = statistic(&program, "bytes spliced");
    assert!(spliced < 50_000_000, "{spliced} bytes went to a backend that does not read");
    assert_eq!(program.client().get("/").text(), "next");
    until("the pipe with bytes of the upload is closed", || program.fds() <= before + 2);
}

fn head_and_body(length: usize) -> Vec<u8> {
    [format!("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n").as_bytes(), &vec![b'u'; length]]
        .concat()
}

fn a_backend_that_dies_truncates_the_spliced_body(ctx: &Context) {
    for reset in [false, true] {
        let part = [b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n", vec![b'x'; 2_000_000].as_slice()].concat();
        let backend = Backend::start(move |conn| {
            if conn.request().is_ok() {
                conn.write(&part);
                if reset { conn.reset() } else { conn.close() }
            }
        });
        let program = start(ctx, &[backend.addr()], &[]);
        let mut client = program.client();
        client.request("GET", "/", "");
        let mut received = 0;
        let error = client.response_into("GET", &mut |piece| received += piece.len()).unwrap_err();
        assert!(matches!(error, ReadError::Truncated(_) | ReadError::Reset), "reset {reset}: {error:?}");
        // A reset may overtake what the backend's kernel had still to send.
        assert!(reset || received == 2_000_000, "{received} bytes");
        until("the exchange has failed", || statistic(&program, "failed") == 1);
    }
}

fn a_client_that_resets_cancels_a_spliced_download(ctx: &Context) {
    let backend = Backend::start_without_recording(|conn| {
        if conn.request().is_ok() && conn.write("HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n") {
            while conn.write(vec![b'x'; 100_000]) {}
            conn.read_until_closed(); // which records that it is closed
        }
    });
    let program = start(ctx, &[backend.addr()], &[]);
    for reads_on in [true, false] {
        let mut client = program.client();
        client.request("GET", "/", "");
        client.response_head("GET").unwrap();
        if reads_on {
            client.read_exact(3_000_000);
        } else {
            pause(ms(300)); // the pipe is full
        }
        client.reset();
    }
    backend.wait_for("both upstream connections are closed", |connections| {
        connections.iter().filter(|connection| connection.ended).count() == 2
    });
}

fn a_slow_reader_of_a_spliced_body_gets_all_and_holds_no_other_up(ctx: &Context) {
    let body = Rng::new(12).bytes(2_000_000);
    let backend = Backend::keeping_alive(with_length(&body));
    let program = start(ctx, &[backend.addr()], &["--splice-threshold", "0"]);
    let mut slow = Client::connect_with_recv_buffer(program.addr(), 8 * 1024);
    slow.request("GET", "/", "");
    let (_, _, framing) = slow.response_head("GET").unwrap();
    assert_eq!(framing, Framing::Length(2_000_000));
    assert!(program.client().get("/").body == body, "another client is served meanwhile");
    let mut received = Vec::new();
    while received.len() < body.len() {
        received.extend(slow.read_exact(20_000.min(body.len() - received.len())));
        if received.len() < 200_000 {
            pause(ms(10));
        }
    }
    assert!(received == body, "the body was changed");
    assert!(slow.get("/").body == body, "and its connection is kept");
}

fn a_reader_that_stalls_is_cut_off(ctx: &Context) {
    let backend = Backend::keeping_alive(with_length(&vec![b'x'; 30_000_000]));
    let program = start(ctx, &[backend.addr()], &["--body-timeout", "500ms"]);
    program.client().get("/");
    let before = program.fds();
    let mut client = program.client();
    client.request("GET", "/", "");
    client.response_head("GET").unwrap();
    until("its sockets and its pipe are closed", || program.fds() <= before);
}

fn spliced_bytes_are_counted_in_the_metrics(ctx: &Context) {
    let backend = Backend::keeping_alive(with_length(&vec![b'x'; 1_000_000]));
    let program = start(ctx, &[backend.addr()], &["--metrics", "127.0.0.1:0"]);
    let said = program.wait_stdout("metrics on ");
    let address = said.split("metrics on ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    let mut client = program.client();
    client.get("/");
    let value = |name: &str| -> u64 {
        let text = Client::connect(address).get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    };
    until("they are counted", || value("lb_bytes_spliced_total") >= 1_000_000 - COPIED_WITH_HEAD);
    assert!(value("lb_bytes_copied_total") <= COPIED_WITH_HEAD + 2_000);
}

/// 1 GiB in each direction, hashed at both ends; with pipes, and copied.
fn a_gibibyte_of_http_each_way(ctx: &Context) {
    const BLOCKS: usize = 16 * 1024;
    const LENGTH: usize = BLOCKS * 64 * 1024;
    let digest = {
        let (block, mut digest) = (block(), Sha256Hasher::default());
        (0..BLOCKS).for_each(|_| digest.add(&block));
        digest.finish()
    };
    for flags in [&[][..], &["--copy"]] {
        let backend = Backend::start_without_recording(move |conn| {
            while let Ok(head) = conn.head() {
                let mut arrived = Sha256Hasher::default();
                if conn.body(head.framing, &mut |piece| arrived.add(piece)).is_err() {
                    return;
                }
                if head.method == "PUT" {
                    let answer = if arrived.finish() == digest { "whole" } else { "changed" };
                    conn.write(ok_response(answer));
                    continue;
                }
                conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
                let block = block();
                if !(0..BLOCKS).all(|_| conn.write(&block)) {
                    return;
                }
            }
        });
        let program = start(ctx, &[backend.addr()], flags);
        put(&mut program.client(), b"warm");
        let before = program.rss_kib();
        let mut client = program.client();
        client.request("GET", "/", "");
        let mut arrived = Sha256Hasher::default();
        client.response_into("GET", &mut |piece| arrived.add(piece)).unwrap();
        assert!(arrived.finish() == digest, "{flags:?}: the download was changed");
        let stream = client.stream();
        let sending = thread::spawn(move || {
            let block = block();
            write!(&stream, "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {LENGTH}\r\n\r\n").unwrap();
            (0..BLOCKS).for_each(|_| (&stream).write_all(&block).unwrap());
        });
        sending.join().unwrap();
        assert_eq!(client.response("PUT").text(), "whole", "{flags:?}");
        let grown = program.rss_kib().saturating_sub(before);
        assert!(grown <= 2_048, "{flags:?}: {grown} KiB");
    }
}
