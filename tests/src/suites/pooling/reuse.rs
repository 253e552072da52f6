//! No more connections than requests in flight, whichever clients send them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{ADMIN, answer, answering, connections, count, pool_of};
use crate::Context;
use crate::backend::bundled_process::BundledProcess;
use crate::case::cases;
use crate::suites::support::run_in_parallel;
use crate::wait::{ms, pause, until};

cases! { "pooling";
    Fast sixty_four_clients_hardly_ever_connect,
    Full two_hundred_thousand_requests_reuse_99_9_percent within ms(900_000),
    Fast a_thousand_mostly_idle_clients_need_a_handful_of_connections,
    Full a_thousand_clients_once_a_second_need_thirty_connections within ms(120_000),
    Fast the_most_recently_used_connection_is_reused_first,
    Fast the_hit_rate_is_reported,
    Fast warm_up_connects_before_the_first_request,
}

fn sixty_four_clients_hardly_ever_connect(ctx: &Context) {
    reuse(ctx, 300, 99.0);
}

fn two_hundred_thousand_requests_reuse_99_9_percent(ctx: &Context) {
    reuse(ctx, 3_200, 99.9);
}

fn reuse(ctx: &Context, each: usize, at_least: f64) {
    const CLIENTS: usize = 64;
    let backends = BundledProcess::start(ctx);
    for workers in ["1", "4"] {
        let program = ctx.start(&backends.addrs(), &[&ADMIN[..], &["--workers", workers]].concat());
        run_in_parallel(CLIENTS, |_| {
            let mut client = program.client();
            for _ in 0..each {
                assert_eq!(client.get("/bytes/1").status(), 200);
            }
        });
        let pool = pool_of(&program);
        let rate = pool["hit_rate_percent"].as_f64().unwrap();
        assert!(rate >= at_least, "{workers} workers: {pool}");
        assert_eq!(
            count(&program, "hits") + count(&program, "shared_hits") + count(&program, "misses"),
            (CLIENTS * each) as u64
        );
    }
}

/// In chapter 5 each client has its own connections: up to three thousand here.
fn a_thousand_mostly_idle_clients_need_a_handful_of_connections(ctx: &Context) {
    let backends = BundledProcess::start(ctx);
    let program = ctx.start(&backends.addrs(), &["--workers", "2"]);
    let mut clients: Vec<_> = (0..1_000).map(|_| program.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/bytes/1").status(), 200);
    }
    let open = backends.open_connections();
    // The checks connect too, and close.
    assert!((1..=30).contains(&open), "{open} connections for 1,000 clients");
}

/// Connections left over from the busiest moment have exceeded their idle timeout when they are counted.
fn a_thousand_clients_once_a_second_need_thirty_connections(ctx: &Context) {
    const THREADS: usize = 20;
    const ROUNDS: usize = 12;
    const ROUND_DURATION: Duration = Duration::from_secs(1);
    let backends = BundledProcess::start(ctx);
    let program = ctx.start(&backends.addrs(), &["--workers", "2", "--upstream-idle-timeout", "2s"]);
    let fewest = AtomicU64::new(u64::MAX);
    run_in_parallel(THREADS, |thread| {
        let mut clients: Vec<_> = (0..1_000 / THREADS).map(|_| program.client()).collect();
        let step = ROUND_DURATION / u32::try_from(clients.len()).unwrap();
        for round in 0..ROUNDS {
            for client in &mut clients {
                let due = Instant::now() + step;
                assert_eq!(client.get("/bytes/1").status(), 200);
                pause(due.saturating_duration_since(Instant::now()));
            }
            if thread == 0 && round >= ROUNDS / 2 {
                fewest.fetch_min(backends.open_connections(), Ordering::Relaxed);
            }
        }
    });
    let fewest = fewest.into_inner();
    assert!((1..=30).contains(&fewest), "{fewest} connections for 1,000 clients");
}

fn the_most_recently_used_connection_is_reused_first(ctx: &Context) {
    let backend = answering(|conn| {
        pause(ms(100));
        answer(conn);
    });
    let program = ctx.start(&[backend.addr()], &["--workers", "1", "--check", "off"]);
    let mut clients: Vec<_> = (0..4).map(|_| program.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    for client in &mut clients {
        assert_eq!(client.response("GET").status(), 200);
    }
    let before: Vec<_> = backend.recordings().iter().map(|seen| seen.count).collect();
    for _ in 0..6 {
        assert_eq!(clients[0].get("/").status(), 200);
    }
    let after: Vec<_> = backend.recordings().iter().map(|seen| seen.count).collect();
    assert_eq!(connections(&backend), (4, 0));
    let used = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(used, 1, "sequential requests need one connection: {before:?}, {after:?}");
}

fn the_hit_rate_is_reported(ctx: &Context) {
    let backend = answering(answer);
    let program = ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "1"]].concat());
    program.signal(Signal::SIGUSR1);
    program.wait_stdout("HIT RATE: -");
    let mut client = program.client();
    for _ in 0..4 {
        assert_eq!(client.get("/").status(), 200);
    }
    program.signal(Signal::SIGUSR1);
    let said = program.wait_stdout("HIT RATE: 75.00 %");
    assert!(said.contains("pool: 3 hits, 0 shared hits, 1 misses"), "{said}");
    assert_eq!(pool_of(&program)["hit_rate_percent"], 75.0);
}

fn warm_up_connects_before_the_first_request(ctx: &Context) {
    let backend = answering(answer);
    let flags = [&ADMIN[..], &["--workers", "2", "--warm-up", "5", "--check", "off"]].concat();
    let program = ctx.start(&[backend.addr()], &flags);
    super::until_open(&backend, 5);
    until("all warm-up connections are counted", || count(&program, "warmed_up") == 5);
    assert_eq!(program.client().get("/").status(), 200);
    assert_eq!((count(&program, "misses"), connections(&backend).0), (0, 5), "{}", pool_of(&program));
}
