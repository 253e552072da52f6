//! Bytes per second: as many as the limit says, and nothing else changes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::backend;
use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::{Backend, Conn, ok_response};
use crate::case::cases;
use crate::client::Client;
use crate::process::Program;
use crate::suites::local_reply;
use crate::suites::support::{assert_usage_error, run_in_parallel};
use crate::wait::{StopOnDrop, TEST_TIMEOUT, ms, pause, until};

cases! { "rate_limit";
    Fast an_invalid_bandwidth_limit_is_one_line_that_says_where,
    Alone downloads_and_uploads_run_at_their_rate_without_a_busy_loop,
    Full downloads_and_uploads_run_within_three_percent_of_their_rate,
    Alone connections_of_an_address_share_its_bandwidth_over_all_workers,
    Fast connections_limited_one_by_one_do_not_share,
    Fast bandwidth_by_ip_is_that_of_the_client_behind_a_trusted_proxy,
    Slow waiting_for_bandwidth_is_no_stall,
    Slow a_head_that_has_to_wait_to_be_read_is_not_late,
    Fast clients_that_stall_under_a_limit_are_cut,
    Fast a_drain_delivers_a_throttled_download_and_a_stop_ends_it,
    Fast a_reset_while_waiting_for_bandwidth_cancels_the_upstream,
    Fast pipelined_requests_and_local_replies_count,
    Fast a_tunnel_is_throttled_in_both_directions,
}

/// What a connection gets before it is measured: the burst, and what the sockets buffer.
const WARM_UP: Duration = ms(250);

/// A backend that sends bodies without end, and reads those that it gets.
fn endless_backend() -> Backend {
    Backend::start_without_recording(|conn| {
        let Ok(head) = conn.head() else { return };
        if head.method == "GET" {
            send_without_end(conn);
        }
        conn.read_until_closed();
    })
}

fn send_without_end(conn: &mut Conn) {
    conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", u64::MAX / 2));
    let block = vec![b'x'; 64 * 1024];
    while conn.write(&block) {}
}

/// A client that has begun a download without end, and has read its head.
fn downloading(program: &Program) -> Client {
    let mut client = program.client();
    client.request("GET", "/", "");
    client.response_head("GET").unwrap();
    client
}

/// Bytes that arrive in `window`, each second on average.
fn rate_of(mut stream: &TcpStream, window: Duration) -> f64 {
    let mut room = vec![0; 256 * 1024];
    let warm = Instant::now() + WARM_UP;
    while Instant::now() < warm {
        assert!(stream.read(&mut room).unwrap() > 0);
    }
    let (began, mut bytes) = (Instant::now(), 0);
    while began.elapsed() < window {
        let read = stream.read(&mut room).unwrap();
        assert!(read > 0, "the download is cut");
        bytes += read;
    }
    per_second(bytes as u64, began)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn per_second(bytes: u64, began: Instant) -> f64 {
    bytes as f64 / began.elapsed().as_secs_f64()
}

/// Bytes that arrive at `backend` in `window`, each second on average, while a client uploads without end.
fn upload_rate(program: &Program, backend: &Backend, window: Duration) -> f64 {
    let mut client = program.client();
    client.request("POST", "/", &format!("Content-Length: {}\r\n", u64::MAX / 2));
    let (mut stream, done) = (client.stream(), AtomicBool::new(false));
    thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            let block = vec![b'x'; 256 * 1024];
            while !done.load(Ordering::Relaxed) && stream.write_all(&block).is_ok() {}
        });
        let _stop = StopOnDrop(done);
        pause(WARM_UP);
        let (began, before) = (Instant::now(), backend.total_bytes());
        pause(window);
        let rate = per_second(backend.total_bytes() - before, began);
        let _ = client.stream().shutdown(Shutdown::Both); // ends the other thread's write
        rate
    })
}

/// Percent of the limit by which a rate may be off in a short window. A busy machine makes it lower: the balancer makes
/// up for 50 ms without a CPU, and no more.
const SHORT: RangeInclusive<f64> = -10.0..=5.0;
const LONG: RangeInclusive<f64> = -3.0..=3.0;

/// Asserts that a rate is the limit, with a tolerance in percent.
fn assert_rate(what: &str, rate: f64, limit: f64, tolerance: &RangeInclusive<f64>) {
    let off = (rate / limit - 1.0) * 100.0;
    assert!(tolerance.contains(&off), "{what}: {rate:.0} bytes per second, {off:+.1} % off {limit}");
}

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// Downloads and uploads for `window`, those at low rates at once.
fn assert_rates(ctx: &Context, window: Duration, tolerance: &RangeInclusive<f64>) {
    let slow = [("64KiB", 64.0 * KIB), ("1MiB", MIB)];
    run_in_parallel(2 * slow.len(), |number| {
        let (size, limit) = slow[number / 2];
        let is_download = number % 2 == 0;
        let backend = endless_backend();
        let program = ctx.start(&[backend.addr()], &["--limit-bandwidth", &format!("{size},{size} by=connection")]);
        let rate = if is_download {
            rate_of(&downloading(&program).stream(), window)
        } else {
            upload_rate(&program, &backend, window)
        };
        assert_rate(&format!("{size} {}", if is_download { "down" } else { "up" }), rate, limit, tolerance);
        // Some 60 wake-ups per second. A loop that does not wait takes a CPU, or its share of one.
        let (cpu, most) = (program.cpu().total(), window / 10);
        assert!(cpu <= most, "{cpu:?} of CPU time at {size} per second, at most {most:?} expected");
    });
    let backend = endless_backend();
    let program = ctx.start(&[backend.addr()], &["--limit-bandwidth", "100MiB,100MiB by=connection"]);
    assert_rate("100MiB down", rate_of(&downloading(&program).stream(), window), 100.0 * MIB, tolerance);
    assert_rate("100MiB up", upload_rate(&program, &backend, window), 100.0 * MIB, tolerance);
}

fn an_invalid_bandwidth_limit_is_one_line_that_says_where(ctx: &Context) {
    for (limit, says) in [
        ("", "--limit-bandwidth: column 1: empty limit"),
        ("1MiB", "--limit-bandwidth: column 5: by= is missing; known are ip, connection"),
        ("1MB by=ip", "--limit-bandwidth: column 1: '1MB' is not a size per second"),
        ("1MiB,0B by=ip", "--limit-bandwidth: column 6: '0B' is not a size per second"),
        ("1MiB by=route", "--limit-bandwidth: column 9: 'route': known are ip, connection"),
        ("1MiB by=ip burst=2", "--limit-bandwidth: column 12: unknown option 'burst=2'"),
    ] {
        assert_usage_error(ctx, &["0", "127.0.0.1:1", "--limit-bandwidth", limit], says);
    }
}

fn downloads_and_uploads_run_at_their_rate_without_a_busy_loop(ctx: &Context) {
    assert_rates(ctx, ms(2_000), &SHORT);
}

fn downloads_and_uploads_run_within_three_percent_of_their_rate(ctx: &Context) {
    assert_rates(ctx, ms(10_000), &LONG);
}

/// The rates of two downloads at once.
fn two_rates(first: &Client, second: &Client, window: Duration) -> [f64; 2] {
    let streams = [first.stream(), second.stream()];
    thread::scope(|scope| {
        streams.each_ref().map(|stream| scope.spawn(move || rate_of(stream, window))).map(|rate| rate.join().unwrap())
    })
}

fn connections_of_an_address_share_its_bandwidth_over_all_workers(ctx: &Context) {
    let backend = endless_backend();
    let flags = ["--workers", "2", "--admin", "127.0.0.1:0", "--limit-bandwidth", "512KiB by=ip"];
    let program = ctx.start(&[backend.addr()], &flags);
    assert!(program.stdout().contains("bandwidth: 512KiB by=ip, at most 3"), "{}", program.stdout());
    let clients = [downloading(&program), downloading(&program)];
    let mut elsewhere = Client::connect_from([127, 0, 0, 2].into(), program.addr());
    elsewhere.request("GET", "/", "");
    elsewhere.response_head("GET").unwrap();
    let ([one, other], alone) = thread::scope(|scope| {
        let alone = scope.spawn(|| rate_of(&elsewhere.stream(), ms(1_500)));
        (two_rates(&clients[0], &clients[1], ms(1_500)), alone.join().unwrap())
    });
    assert_rate("together", one + other, 512.0 * KIB, &SHORT);
    assert!(one.min(other) / one.max(other) > 0.8, "not in turn: {one:.0} and {other:.0}");
    assert_rate("another address", alone, 512.0 * KIB, &SHORT);
    let report = &AdminClient::of(&program).request_ok("GET", "/limits", "")["bandwidth"];
    assert_eq!((report["rule"].as_str(), report["pauses_up"].as_u64()), (Some("512KiB by=ip"), Some(0)));
    assert!(report["pauses_down"].as_u64() >= Some(50) && report["without_slot"] == 0, "{report}");
    program.signal(Signal::SIGUSR1);
    program.wait_stdout("0 pauses up, 0 without a slot (512KiB by=ip)");
}

fn connections_limited_one_by_one_do_not_share(ctx: &Context) {
    let backend = endless_backend();
    let program = ctx.start(&[backend.addr()], &["--limit-bandwidth", "512KiB by=connection"]);
    for rate in two_rates(&downloading(&program), &downloading(&program), ms(1_000)) {
        assert_rate("each", rate, 512.0 * KIB, &SHORT);
    }
}

/// How long these clients take for a download of 64 KiB each, all at once, at 64 KiB per second and address.
fn time_for(program: &Program, clients: &[&str]) -> Duration {
    let began = Instant::now();
    run_in_parallel(clients.len(), |number| {
        let mut client = program.client();
        client.request("GET", "/", &format!("X-Forwarded-For: {}\r\n", clients[number]));
        assert_eq!(client.response("GET").body.len(), 64 * 1024);
    });
    began.elapsed()
}

fn bandwidth_by_ip_is_that_of_the_client_behind_a_trusted_proxy(ctx: &Context) {
    let backend = Backend::answering(ok_response(&"x".repeat(64 * 1024)));
    let flags = ["--trusted-proxy", "127.0.0.1", "--limit-bandwidth", "64KiB by=ip"];
    let program = ctx.start(&[backend.addr()], &flags);
    let apart = time_for(&program, &["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    assert!((ms(900)..ms(1_500)).contains(&apart), "{apart:?}");
    let together = time_for(&program, &["192.0.2.3", "::ffff:192.0.2.3"]);
    assert!((ms(1_900)..ms(2_900)).contains(&together), "{together:?}");
}

/// Forty clients at 64 KiB per second: each waits for a second between two segments, longer than the body timeout.
fn waiting_for_bandwidth_is_no_stall(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if let Ok(request) = conn.request() {
            assert!(conn.write(ok_response(&"x".repeat(request.body.len().max(6 * 1024)))));
        }
    });
    let flags = ["--body-timeout", "300ms", "--head-timeout", "300ms", "--limit-bandwidth", "64KiB,64KiB by=ip"];
    let program = ctx.start(&[backend.addr()], &flags);
    let (began, body) = (Instant::now(), [b'x'; 3 * 1024]);
    run_in_parallel(40, |number| {
        let mut client = program.client();
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        if method == "GET" {
            client.request("GET", "/", &format!("X-Fill: {}\r\n", "f".repeat(3 * 1024)));
        } else {
            client.request("POST", "/", &format!("Content-Length: {}\r\n", body.len()));
            client.send(body);
        }
        let response = client.response(method);
        assert_eq!((response.status(), response.body.len()), (200, 6 * 1024), "{method}");
    });
    // 40 x 3 KiB up, then 40 x 6 KiB down.
    let took = began.elapsed();
    assert!(took >= ms(3_600), "{took:?}: not limited");
}

/// 250 bytes take 2.5 s, and the client another half second before it sends the rest.
fn a_head_that_has_to_wait_to_be_read_is_not_late(ctx: &Context) {
    let backend = backend();
    let flags = ["--head-timeout", "1500ms", "--limit-bandwidth", "1MiB,100B by=connection"];
    let program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Fill: {}\r\n\r\n", "f".repeat(225));
    let (first, rest) = head.split_at(250);
    client.send_pieces([first.as_bytes(), rest.as_bytes()], ms(3_000));
    assert_eq!(client.response("GET").status(), 200);
    // One that never sends the rest is late all the same.
    let mut client = program.client();
    client.send(&first[..30]);
    local_reply::assert_local(&client.response("GET"), 408);
}

fn clients_that_stall_under_a_limit_are_cut(ctx: &Context) {
    let backend = endless_backend();
    let flags = ["--body-timeout", "1s", "--limit-bandwidth", "4MiB,4MiB by=ip"];
    let program = ctx.start(&[backend.addr()], &flags);
    // Keeps the bucket of the address empty all the time.
    let busy = downloading(&program);
    let (mut reading, done) = (busy.stream(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut room = vec![0; 256 * 1024];
            while !done.load(Ordering::Relaxed) {
                assert!(reading.read(&mut room).unwrap() > 0, "the download is cut");
            }
        });
        let _stop = StopOnDrop(&done);
        let mut reader = Client::connect_with_recv_buffer(program.addr(), 4 * 1024);
        reader.request("GET", "/", "");
        reader.response_head("GET").unwrap();
        let mut sender = program.client();
        sender.request("POST", "/", "Content-Length: 100\r\n");
        sender.send("half of it");
        let response = sender.response("POST");
        local_reply::assert_local(&response, 408);
        backend.wait_for("the download that nobody reads is cut", |seen| {
            seen.len() == 3 && seen.iter().filter(|seen| seen.ended).count() == 2
        });
        drop(reader);
    });
}

fn a_drain_delivers_a_throttled_download_and_a_stop_ends_it(ctx: &Context) {
    let backend = Backend::answering(ok_response(&"x".repeat(96 * 1024)));
    let flags = ["--limit-bandwidth", "64KiB by=ip"];
    let mut program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    client.request("GET", "/", "");
    client.read_exact(100);
    program.signal(Signal::SIGTERM);
    let rest = client.read_until_closed(TEST_TIMEOUT).expect("it is closed at the end");
    assert!(rest.len() > 95 * 1024, "only {} bytes", rest.len());
    drop(client);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);

    let backend = endless_backend();
    let mut program = ctx.start(&[backend.addr()], &flags);
    // One that waits for a write, one that waits for a read of a head.
    let (_downloading, waiting) = (downloading(&program), program.client());
    program.signal(Signal::SIGTERM);
    assert!(program.wait(ms(300)).is_none(), "it does not drain");
    program.signal(Signal::SIGTERM);
    assert!(program.wait(ms(5_000)).is_some(), "it does not stop");
    drop(waiting);
}

/// At a byte per second, a wait lasts for seconds.
fn a_reset_while_waiting_for_bandwidth_cancels_the_upstream(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.head().is_ok_and(|head| head.method == "GET") {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        }
        conn.read_until_closed();
    });
    let program = ctx.start(&[backend.addr()], &["--limit-bandwidth", "1B by=ip"]);
    let mut clients: Vec<_> = (0..8).map(|_| program.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    backend.wait_for("all are in flight", |seen| seen.iter().filter(|seen| seen.count > 0).count() == 8);
    pause(ms(200));
    let began = Instant::now();
    clients.into_iter().for_each(Client::reset);
    backend.wait_for("every upstream is closed", |seen| seen.iter().all(|seen| seen.ended));
    let took = began.elapsed();
    assert!(took < ms(900), "{took:?}: noticed only when it was written to");

    // The same for a client that waits to be read.
    let program = ctx.start(&[backend.addr()], &["--limit-bandwidth", "1MiB,1KiB by=ip"]);
    let mut clients: Vec<_> = (0..8).map(|_| program.client()).collect();
    for client in &mut clients {
        client.request("POST", "/", "Content-Length: 100000\r\n");
        client.send([b'x'; 10_000]);
    }
    backend.wait_for("all are in flight", |seen| seen.iter().filter(|seen| seen.count > 0).count() == 16);
    clients.into_iter().for_each(Client::reset);
    backend.wait_for("every upstream is closed", |seen| seen.iter().all(|seen| seen.ended));
}

fn pipelined_requests_and_local_replies_count(ctx: &Context) {
    let backend = backend();
    let group = format!("api={}", backend.addr());
    let flags = ["--group", &group, "--route", "path=/api -> api", "--limit-bandwidth", "32KiB by=connection"];
    let program = ctx.start_named(&[], &flags);
    for (target, status) in [("/api", 200), ("/none", 404)] {
        let mut client = program.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(300));
        let (began, mut bytes) = (Instant::now(), 0);
        for number in 0..300 {
            let response = client.response("GET");
            assert_eq!(response.status(), status, "response {number}");
            bytes += response.body.len() + response.fields().all("Date").len();
        }
        // 300 responses of about 90 bytes and more.
        let took = began.elapsed();
        assert!(bytes > 0 && (ms(600)..ms(3_000)).contains(&took), "{target}: {took:?}");
    }
}

fn a_tunnel_is_throttled_in_both_directions(ctx: &Context) {
    const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let backend = Backend::start(|conn| {
        if conn.head().is_ok() {
            conn.write(SWITCH);
            let mut got = 0;
            while got < 128 * 1024 && matches!(conn.reader().fill(), Ok(1..)) {
                got += conn.reader().take_buffered().len();
            }
            conn.write(vec![b'd'; 64 * 1024]);
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &["--limit-bandwidth", "64KiB,128KiB by=ip"]);
    let mut client = program.client();
    client.send(UPGRADE);
    assert_eq!(client.response_head("GET").unwrap().1.status, 101);
    let began = Instant::now();
    client.send(vec![b'u'; 128 * 1024]);
    until("the upload has arrived", || backend.total_bytes() >= 128 * 1024);
    let up = began.elapsed();
    assert_eq!(client.read_exact(64 * 1024), vec![b'd'; 64 * 1024]);
    let down = began.elapsed().saturating_sub(up);
    for (direction, took) in [("up", up), ("down", down)] {
        assert!((ms(850)..ms(1_500)).contains(&took), "{direction}: {took:?}");
    }
}
