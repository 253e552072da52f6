//! Idle clients, the active ones beside them, and the resources that both hold.

use super::{idle_clients, max_clients, max_idle_upstreams, request_all};
use crate::Context;
use crate::backend::bundled_process::BundledProcess;
use crate::case::cases;
use crate::suites::support::run_in_parallel;
use crate::wait::{eventually, ms, until};

cases! { "c10k";
    Fast five_thousand_idle_clients_delay_no_request,
    Full as_many_idle_clients_as_descriptors_delay_no_request within ms(600_000),
    Fast idle_clients_hold_no_backend_connection,
}

const ACTIVE: usize = 64;
const REQUESTS: usize = 50;
/// More clients would test nothing new, and would use up the kernel's memory for connections.
const MAX_CLIENTS: usize = 100_000;
/// None of the idle clients may be closed before the end.
const LONG_IDLE_TIMEOUT: [&str; 2] = ["--idle-timeout", "1h"];

fn five_thousand_idle_clients_delay_no_request(ctx: &Context) {
    idle_clients_delay_no_request(ctx, 5_000);
}

fn as_many_idle_clients_as_descriptors_delay_no_request(ctx: &Context) {
    idle_clients_delay_no_request(ctx, MAX_CLIENTS);
}

fn idle_clients_delay_no_request(ctx: &Context, at_most: usize) {
    let count = max_clients(ACTIVE).min(at_most);
    let backends = BundledProcess::start(ctx);
    let mut program = ctx.start(&backends.addrs(), &LONG_IDLE_TIMEOUT);
    let mut idle = idle_clients(&program, count);
    until("all are idle", || backends.open_connections() <= max_idle_upstreams(ctx));
    run_in_parallel(ACTIVE, |_| {
        let mut client = program.client();
        for _ in 0..REQUESTS {
            assert_eq!(client.get("/").status(), 200);
        }
    });
    assert!(program.fds() > count, "{} files: the idle clients are gone", program.fds());
    request_all(&mut idle);
    program.assert_running();
    println!("c10k: {count} idle clients were served before and after {ACTIVE} active ones");
}

/// How soon idle upstream connections close. The requirement is 2 s; the rest is slack for a loaded machine.
const CLOSE_DEADLINE: std::time::Duration = ms(4_000);

fn idle_clients_hold_no_backend_connection(ctx: &Context) {
    let backends = BundledProcess::start(ctx);
    let program = ctx.start(&backends.addrs(), &LONG_IDLE_TIMEOUT);
    let mut clients: Vec<_> = (0..50).map(|_| program.client()).collect();
    for _ in 0..2 {
        // A connection to each of the three backends, for each client.
        for client in &mut clients {
            (0..3).for_each(|_| assert_eq!(client.get("/").status(), 200));
        }
        assert!(backends.open_connections() > 0, "no connection was kept for the next request");
        let closed =
            eventually(CLOSE_DEADLINE, || (backends.open_connections() <= max_idle_upstreams(ctx)).then_some(()));
        assert!(closed.is_some(), "{} are open", backends.open_connections());
    }
    // A client that keeps sending requests keeps its connections.
    let busy = &mut clients[0];
    for _ in 0..30 {
        assert_eq!(busy.get("/").status(), 200);
        crate::wait::pause(ms(50));
    }
    assert!(backends.open_connections() > 0);
}
