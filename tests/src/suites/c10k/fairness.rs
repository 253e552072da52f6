//! One client that never stops.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::wait::until;

cases! { "c10k";
    Fast a_client_that_pipelines_without_end_keeps_nobody_waiting,
}

/// Enough for seconds.
const PIPELINED: usize = 100_000;

/// Its requests match no rule, so no backend slows them down. The other client has the same worker.
fn a_client_that_pipelines_without_end_keeps_nobody_waiting(ctx: &Context) {
    let backend = Backend::start(|conn| {
        while conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let group = format!("api={}", backend.addr());
    let flags = ["--workers", "1", "--group", &group, "--route", "path=/api/* -> api"];
    let program = ctx.start_named(&[], &flags);
    let (mut greedy, mut other, answered) = (program.client(), program.client(), AtomicUsize::new(0));
    assert_eq!(other.get("/api/warm").status(), 200);
    let mut stream = greedy.stream();
    thread::scope(|scope| {
        scope.spawn(move || {
            let requests = "GET /none HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1_000);
            (0..PIPELINED / 1_000).for_each(|_| stream.write_all(requests.as_bytes()).unwrap());
        });
        scope.spawn(|| {
            for _ in 0..PIPELINED {
                assert_eq!(greedy.response("GET").status(), 404);
                answered.fetch_add(1, SeqCst);
            }
        });
        until("the pipeline runs", || answered.load(SeqCst) > 0);
        for turn in 0..10 {
            assert_eq!(other.get("/api/x").status(), 200);
            let answered = answered.load(SeqCst);
            assert!(answered < PIPELINED, "request {turn} was answered after all of the other client's");
        }
    });
}
