//! A backend that closes or resets in each phase: 502 before the response begins, a truncated response after.

use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::checker::ReadError;
use crate::suites::local_reply;
use crate::wait::{ms, pause};

cases! { "robustness";
    Fast a_backend_that_dies_before_its_response_is_502,
    Fast a_backend_that_dies_during_its_response_truncates_it,
}

/// Where the backend fails; the request's target names the number.
type Phase = fn(&mut Conn);

const BEFORE: &[(&str, Phase)] = &[
    ("at once", |_| {}),
    ("after a byte", |conn| _ = conn.reader().fill()),
    ("after the head", |conn| _ = conn.head()),
    ("after the request", |conn| _ = conn.request()),
    ("in the status line", |conn| {
        let _ = conn.request();
        conn.write("HTTP/1.1 2");
    }),
    ("in the head", |conn| {
        let _ = conn.request();
        conn.write("HTTP/1.1 200 OK\r\nContent-Le");
    }),
    ("after an interim response", |conn| {
        let _ = conn.request();
        conn.write("HTTP/1.1 103 Early Hints\r\n\r\n");
    }),
];

const WITHIN: &[(&str, Phase)] = &[
    ("after the head", |conn| {
        let _ = conn.request();
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    }),
    ("in the body", |conn| {
        let _ = conn.request();
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    }),
    ("in a chunk", |conn| {
        let _ = conn.request();
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    }),
    ("between chunks", |conn| {
        let _ = conn.request();
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    }),
];

const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
];

/// A backend that fails in this phase, by FIN or by RST.
fn failing_at(phase: Phase, reset: bool) -> Backend {
    Backend::start(move |conn| {
        phase(conn);
        if reset {
            // So that the bytes before the RST are read first: a RST may overtake them, and then they are lost.
            pause(ms(30));
            conn.reset();
        }
    })
}

fn a_backend_that_dies_before_its_response_is_502(ctx: &Context) {
    for (name, phase) in BEFORE {
        for reset in [false, true] {
            let backend = failing_at(*phase, reset);
            let mut program = ctx.start(&[backend.addr()], &[]);
            for request in REQUESTS {
                let mut client = program.client();
                client.send(request);
                let response = client.try_response("POST");
                let response = response.unwrap_or_else(|error| panic!("{name}, reset {reset}: {error:?}"));
                // A connection that failed at once may have been counted as a failed connect.
                assert!(matches!(response.status(), 502 | 503), "{name}: {response:?}");
                local_reply::check(&response).unwrap();
            }
            program.assert_running();
        }
    }
}

fn a_backend_that_dies_during_its_response_truncates_it(ctx: &Context) {
    for (name, phase) in WITHIN {
        for reset in [false, true] {
            let backend = failing_at(*phase, reset);
            let mut program = ctx.start(&[backend.addr()], &[]);
            for request in REQUESTS {
                let mut client = program.client();
                client.send(request);
                match client.try_response("POST") {
                    Err(ReadError::Truncated(_) | ReadError::Reset) => {}
                    Ok(response) if response.status() == 502 => {
                        local_reply::check(&response).unwrap();
                    }
                    other => panic!("{name}, reset {reset}: {other:?}"),
                }
            }
            program.assert_running();
        }
    }
}
