//! The stream of documents: its form, what it costs, and what it never holds up.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{EventReader, backend, start};
use crate::Context;
use crate::admin_client::{AdminClient, json};
use crate::case::cases;
use crate::client::Client;
use crate::cpu::CpuTime;
use crate::process::Program;
use crate::wait::{TEST_TIMEOUT, ms, until};

cases! { "live";
    Fast the_stream_is_a_document_a_second_the_same_for_all,
    Fast twenty_pages_cost_two_percent_of_a_core_and_no_worker,
    Fast beyond_the_limit_of_streams_the_api_still_answers,
    Fast a_page_that_reads_nothing_holds_no_thread_and_nobody_up,
    Fast the_guards_of_the_api_are_those_of_the_page,
    Fast open_streams_end_when_the_program_does,
    Full a_stream_ends_before_its_connection_does within ms(180_000),
}

/// As many as may be open.
const MAX_STREAMS: usize = 24;

fn open(admin: AdminClient) -> EventReader {
    EventReader::open(admin).unwrap_or_else(|(_, head)| panic!("a stream: {head:?}"))
}

fn the_stream_is_a_document_a_second_the_same_for_all(ctx: &Context) {
    let a = backend();
    let (_program, admin) = start(ctx, &[a.addr()], &[]);
    let (mut one, mut other) = (open(admin), open(admin));
    let fields = &one.head().fields;
    assert_eq!(fields.get("content-type"), Some("text/event-stream"));
    assert_eq!(fields.get("cache-control"), Some("no-store"));
    assert_eq!(one.next_block().as_deref(), Some("retry: 1000"));
    let events: Vec<_> = (0..4).map(|_| one.next_event().unwrap()).collect();
    for pair in events.windows(2) {
        assert!(pair[0].id < pair[1].id, "{pair:?}");
    }
    // The first is sent at once, the others at the full second.
    let apart = events[3].id - events[1].id;
    assert!((1_500..8_000).contains(&apart), "{apart} ms for two periods");
    let texts: HashMap<_, _> = events.iter().map(|event| (event.id, &event.data)).collect();
    let same = (0..4).filter_map(|_| other.next_event()).filter(|event| texts.contains_key(&event.id));
    let same = same.map(|event| assert_eq!(&event.data, texts[&event.id])).count();
    assert!(same >= 2, "made once for both");
    let document: serde_json::Value = serde_json::from_str(&events[0].data).unwrap();
    assert_eq!(document["backends"][0]["name"], a.addr().to_string());
}

/// The CPU time of the two workers: the first is the main thread.
fn cpu_of_workers(program: &Program) -> Duration {
    let pid = program.pid();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the program runs");
    let is_worker = |task: &std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.starts_with("worker ") || task.file_name().to_str() == Some(&pid.to_string())
    };
    let workers: Vec<_> = tasks.flatten().filter(is_worker).collect();
    assert_eq!(workers.len(), 2, "{:?}", program.threads());
    let time = |task: &std::fs::DirEntry| CpuTime::of(&format!("{pid}/task/{}", task.file_name().display()));
    workers.iter().map(|task| time(task).expect("it runs").total()).sum()
}

fn twenty_pages_cost_two_percent_of_a_core_and_no_worker(ctx: &Context) {
    if !CpuTime::is_available() {
        return println!("skipped: there is no /proc");
    }
    let (a, b, c) = (backend(), backend(), backend());
    let (program, admin) = start(ctx, &[a.addr(), b.addr(), c.addr()], &["--workers", "2"]);
    let mut pages: Vec<_> = (0..20).map(|_| open(admin)).collect();
    for page in &mut pages {
        page.next_document();
    }
    let (before, worker_before) = (program.cpu(), cpu_of_workers(&program));
    let (began, mut documents) = (Instant::now(), 0);
    // Read as browsers do: what nobody reads would not be sent for long.
    while began.elapsed() < ms(6_000) {
        for page in &mut pages {
            assert_eq!(page.next_document()["backends"].as_array().unwrap().len(), 3);
        }
        documents += 1;
    }
    let (used, window) = (program.cpu().since(before).total(), began.elapsed());
    let of_workers = cpu_of_workers(&program).saturating_sub(worker_before);
    assert!(used <= window / 50, "{used:?} in {window:?} for 20 pages");
    assert!(of_workers <= ms(10), "{of_workers:?} on the workers");
    assert!(documents >= 3, "{documents} documents in {window:?}");
}

fn beyond_the_limit_of_streams_the_api_still_answers(ctx: &Context) {
    let a = backend();
    let (program, admin) = start(ctx, &[a.addr()], &[]);
    let mut pages: Vec<_> = (0..MAX_STREAMS).map(|_| open(admin)).collect();
    let Err((_, head)) = EventReader::open(admin) else { panic!("{} streams", MAX_STREAMS + 1) };
    assert_eq!(head.status, 503, "{head:?}");
    let refused = admin.send("GET", "/events", &format!("Host: {}\r\n", admin.addr()), "");
    assert!(json(&refused)["error"].as_str().unwrap().contains("24 streams"), "{refused:?}");
    assert_eq!(admin.backend_names().len(), 1);
    assert_eq!(super::document(admin)["program"]["draining"], false);
    assert_eq!(program.client().get("/").status(), 200);
    assert!(pages.iter_mut().all(|page| page.next_document()["uptime_ms"].is_u64()));
    pages.truncate(MAX_STREAMS - 1);
    until("another page may open once one has closed", || EventReader::open(admin).is_ok());
}

fn a_page_that_reads_nothing_holds_no_thread_and_nobody_up(ctx: &Context) {
    // With so many backends a document is 80 kB.
    let names: Vec<_> = (1..=250).map(|port| format!("127.1.0.1:{port}")).collect();
    let (a, names) = (backend(), names.join(","));
    let group = format!("many={names}");
    let (program, admin) = start(ctx, &[a.addr()], &["--group", &group]);
    super::document(admin);
    let (threads, before) = (program.threads().len(), program.rss_kib());
    let stalled: Vec<_> = (0..MAX_STREAMS - 1)
        .map(|_| {
            let mut client = Client::connect_with_recv_buffer(admin.addr(), 4 << 10);
            client.send(format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", admin.addr()));
            client
        })
        .collect();
    let mut page = open(admin);
    let size = page.next_event().unwrap().data.len();
    assert!(size > 60_000, "{size} bytes");
    for _ in 0..4 {
        page.next_document();
    }
    // The threads that handle requests may block, and go when there are none.
    let more = program.threads().len().saturating_sub(threads);
    assert!(more <= 4, "{more} more threads: {:?}", program.threads());
    let grown = program.rss_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB for {} pages that do not read", stalled.len());
    assert_eq!(admin.request("GET", "/backends?group=default", "").0, 200);
    assert_eq!(program.client().get("/").status(), 200);
    drop(stalled);
}

fn the_guards_of_the_api_are_those_of_the_page(ctx: &Context) {
    let a = backend();
    let (_program, admin) = start(ctx, &[a.addr()], &[]);
    let host = format!("Host: {}\r\n", admin.addr());
    for target in ["/", "/live.json", "/events"] {
        for fields in ["Host: evil.example\r\n", "Host: localhost.evil.example\r\nAccept: text/html\r\n", ""] {
            assert_eq!(admin.send("GET", target, fields, "").status(), 403, "{target} {fields}");
        }
        for method in ["POST", "PUT", "DELETE", "BREW"] {
            let response = admin.send(method, target, &format!("{host}Accept: text/html\r\n"), "");
            let allow = response.fields().get("allow");
            assert_eq!((response.status(), allow), (405, Some("GET, HEAD")), "{method} {target}");
        }
        // Another site's page may not read the answer: no header permits it.
        let response = admin.send("HEAD", target, &format!("{host}Origin: http://evil.example\r\n"), "");
        assert_eq!((response.status(), response.body.len()), (200, 0), "{target}");
        assert_eq!(response.fields().get("access-control-allow-origin"), None, "{target}");
    }
    let mut client = Client::connect(admin.addr());
    for _ in 0..2 * MAX_STREAMS {
        client.send(format!("HEAD /events HTTP/1.1\r\n{host}\r\n"));
        let response = client.response("HEAD");
        let kind = response.fields().get("content-type");
        assert_eq!((response.status(), kind), (200, Some("text/event-stream")), "a HEAD is no stream");
    }
}

fn open_streams_end_when_the_program_does(ctx: &Context) {
    let a = backend();
    let (mut program, admin) = start(ctx, &[a.addr()], &[]);
    let mut pages: Vec<_> = (0..5).map(|_| open(admin)).collect();
    for page in &mut pages {
        page.next_document();
    }
    program.signal(Signal::SIGTERM);
    for page in &mut pages {
        // Ended, not cut off: the program has not waited for the time that requests in flight may take.
        while page.next_event().is_some() {}
    }
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_stream_ends_before_its_connection_does(ctx: &Context) {
    let a = backend();
    let (_program, admin) = start(ctx, &[a.addr()], &[]);
    let mut page = open(admin);
    let mut documents = 0;
    while page.next_event().is_some() {
        documents += 1;
    }
    assert!((30..=60).contains(&documents), "{documents} documents, and an end");
    open(admin).next_document();
}
