//! Minutes of mixed traffic: clients that behave in many ways, and backends of which one at a time misbehaves.

use std::thread;
use std::time::{Duration, Instant};

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::wait::{ms, pause, until};

mod manners;
mod world;

use world::World;

cases! { "retry" from 5;
    Full minutes_of_everything_lose_nothing_and_leave_nothing_behind within ms(2_000_000),
}

const TEN: Duration = Duration::from_mins(10);
/// For shared connections, which keep more state.
const THIRTY: Duration = Duration::from_mins(30);
const CLIENTS: usize = 48;
/// How much memory may still grow after the warm-up.
const MOST_GROWTH_KIB: u64 = 4 * 1024;

fn minutes_of_everything_lose_nothing_and_leave_nothing_behind(ctx: &Context) {
    let lasts = if ctx.upstreams_are_shared() { THIRTY } else { TEN };
    let end = Instant::now() + lasts;
    let world = World::start();
    let addrs: Vec<_> = world.backends().iter().map(Backend::addr).collect();
    // Connections that are idle at the end must be closed soon.
    let flags: &[&str] = if ctx.upstreams_are_shared() { &["--upstream-idle-timeout", "2s"] } else { &[] };
    let mut program = ctx.start(&addrs, flags);
    let files = program.fds();
    let seen = thread::scope(|scope| {
        let (world, program) = (&world, &program);
        scope.spawn(move || world.misbehave(end));
        for number in 0..CLIENTS {
            scope.spawn(move || manners::client(world, program.addr(), number, end));
        }
        watch(world, program, lasts, end)
    });
    program.assert_running();
    println!("retry: {seen:?} in {lasts:?}: {world:?}");
    world.assert_nothing_lost();
    assert!(seen.last_kib <= seen.early_kib + MOST_GROWTH_KIB, "memory grows: {seen:?}");
    // Each client has its own connection, one to each of the backends, and one that is about to be closed.
    assert!(seen.most_fds <= files + CLIENTS * (addrs.len() + 2), "{files} files at first: {seen:?}");
    until("every descriptor is closed", || program.fds() <= files + 2);
}

/// The resources that the program used.
#[derive(Debug)]
struct Seen {
    /// The least resident memory in the second sixth of the time, and in the last: a short peak is no growth.
    early_kib: u64,
    last_kib: u64,
    most_fds: usize,
}

fn watch(world: &World, program: &Program, lasts: Duration, end: Instant) -> Seen {
    let mut seen = Seen { early_kib: u64::MAX, last_kib: u64::MAX, most_fds: 0 };
    while world.goes_on(end) {
        let left = end.saturating_duration_since(Instant::now());
        let now = program.rss_kib();
        if left < lasts / 6 {
            seen.last_kib = seen.last_kib.min(now);
        } else if (lasts * 4 / 6..lasts * 5 / 6).contains(&left) {
            seen.early_kib = seen.early_kib.min(now);
        }
        seen.most_fds = seen.most_fds.max(program.fds());
        pause(ms(100));
    }
    seen
}
