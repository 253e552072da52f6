//! An early response: the 413 reaches the client while its megabyte is still being uploaded.

use std::io::Write;
use std::thread;

use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::process::Program;
use crate::third_party::{curl, hyper_exchange, python};
use crate::wait::{ms, pause};

cases! { "framing";
    Fast an_early_413_reaches_a_raw_client,
    Slow an_early_413_reaches_curl,
    Slow an_early_413_reaches_python,
    Fast an_early_413_reaches_hyper,
    Fast an_early_response_to_a_client_that_sends_no_more_ends,
    Fast an_endless_upload_is_cut_soon_after_its_early_response,
    Fast a_client_that_sends_on_after_an_error_is_not_reset,
}

const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoo big";

const PYTHON_CLIENT: &str = r#"
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=15)
try:
    c.request("POST", "/up", b"x" * (1 << 20))
except (BrokenPipeError, ConnectionResetError):
    pass  # the upload was cut short; the answer must be there all the same
r = c.getresponse()
print(r.status, r.read().decode())
"#;

/// Answers 413 and closes at once: unread bytes make that a RST.
fn close_at_once(conn: &mut Conn) {
    if conn.head().is_ok() {
        conn.write(TOO_LARGE);
        conn.close();
    }
}

/// Answers 413 and reads on to the end.
fn read_on(conn: &mut Conn) {
    if conn.head().is_ok() {
        conn.write(TOO_LARGE);
        conn.half_close();
        conn.read_until_closed();
    }
}

/// Reads some bytes, answers 413, and stops reading without closing.
fn stop_reading(conn: &mut Conn) {
    if let Ok(head) = conn.head() {
        if head.method == "POST" {
            let _ = conn.reader().fill();
        }
        conn.write(TOO_LARGE);
        pause(ms(500));
    }
}

/// What a backend does after its 413.
type Script = fn(&mut Conn);

const KINDS: [(&str, Script); 3] =
    [("closes at once", close_at_once), ("reads on", read_on), ("stops reading", stop_reading)];

/// Each kind of backend, ten times: RST and response race.
fn with_each_backend(ctx: &Context, check: impl Fn(&Program, &str)) {
    for (kind, script) in KINDS {
        let backend = Backend::start(script);
        let program = ctx.start(&[backend.addr()], &[]);
        for _ in 0..10 {
            check(&program, kind);
        }
    }
}

/// The lingering close reads for 2 s and no longer, however much arrives.
fn an_endless_upload_is_cut_soon_after_its_early_response(ctx: &Context) {
    let backend = Backend::start(close_at_once);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n");
    let mut writer = client.stream();
    let writing = thread::spawn(move || {
        let (piece, began) = ([b'x'; 16 * 1024], std::time::Instant::now());
        while began.elapsed() < ms(15_000) {
            if writer.write_all(&piece).is_err() {
                return Some(began.elapsed());
            }
        }
        None
    });
    assert_eq!(client.response("POST").status(), 413);
    let took = writing.join().unwrap().expect("it is still being read after 15 s");
    assert!(took < ms(8_000), "cut only after {took:?}");
}

fn an_early_413_reaches_a_raw_client(ctx: &Context) {
    with_each_backend(ctx, |program, kind| {
        for is_chunked in [false, true] {
            let mut client = program.client();
            let field = if is_chunked {
                "Transfer-Encoding: chunked\r\n\r\n100000\r\n"
            } else {
                "Content-Length: 1048576\r\n\r\n"
            };
            client.send(format!("POST /up HTTP/1.1\r\nHost: a\r\n{field}"));
            let mut writer = client.stream();
            let writing = thread::spawn(move || {
                let piece = [b'x'; 16 * 1024];
                (0..64).all(|_| writer.write_all(&piece).is_ok())
            });
            let response = client.response("POST");
            assert_eq!((response.status(), response.text().as_str()), (413, "too big"), "{kind}");
            if is_chunked || response.head.says_close() {
                assert!(response.head.says_close(), "{kind}: {:?}", response.head);
                client.expect_closed();
                writing.join().unwrap();
            } else {
                // If the balancer read the whole upload before the response, the connection may stay open.
                assert!(writing.join().unwrap(), "{kind}: kept open, though the upload was cut");
                assert_eq!(client.get("/next").status(), 413, "{kind}");
            }
        }
    });
}

fn an_early_413_reaches_curl(ctx: &Context) {
    let body = vec![b'x'; 1 << 20];
    with_each_backend(ctx, |program, kind| {
        let url = format!("http://{}/up", program.addr());
        let args = ["-H", "Expect:", "-w", " %{http_code}", "--data-binary", "@-", &url];
        if let Some(said) = curl(&args, &body) {
            assert_eq!(said, "too big 413", "{kind}");
        }
    });
}

fn an_early_413_reaches_python(ctx: &Context) {
    with_each_backend(ctx, |program, kind| {
        if let Some(said) = python(PYTHON_CLIENT, &[&program.addr().to_string()]) {
            assert_eq!(said.trim(), "413 too big", "{kind}");
        }
    });
}

fn an_early_413_reaches_hyper(ctx: &Context) {
    with_each_backend(ctx, |program, kind| {
        let answer = hyper_exchange(program.addr(), "POST", "/up", vec![b'x'; 1 << 20]);
        let answer = answer.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (413, &b"too big"[..]), "{kind}");
    });
}

fn an_early_response_to_a_client_that_sends_no_more_ends(ctx: &Context) {
    let backend = Backend::start(close_at_once);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request("POST", "/up", "Content-Length: 1048576\r\n");
    let response = client.response("POST");
    assert_eq!((response.status(), response.text().as_str()), (413, "too big"));
    // The FIN follows the response; how long the balancer then lingers is not checked here.
    client.expect_closed();
}

/// A RST could overtake the response on its way to the client. The head comes in two parts, so the balancer has
/// buffered the first when it rejects the second.
fn a_client_that_sends_on_after_an_error_is_not_reset(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send("GET / HTTP/1.1\r\nHo");
    pause(ms(50));
    client.send("st : x\r\n\r\n");
    assert_eq!(client.response("GET").status(), 400);
    for _ in 0..5 {
        client.send("more");
        pause(ms(20));
    }
    client.half_close();
    client.expect_closed();
}
