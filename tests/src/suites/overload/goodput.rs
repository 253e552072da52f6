//! Goodput: what is answered in time, with more requests than can be served.

use std::time::Duration;

use super::capacity_backend::{CAPACITY, CapacityBackend, SERVICE};
use super::open_loop::{self, Outcomes};
use crate::Context;
use crate::case::cases;
use crate::wait::ms;

cases! { "overload";
    Slow aimd_keeps_goodput_at_twice_the_peak,
    Slow gradient_keeps_goodput_at_twice_the_peak,
    Slow without_shedding_goodput_collapses,
    Full goodput_holds_for_longer_and_at_three_times_the_peak,
}

/// Twice the backend's response time: a request may wait for two targets, and then it still has to be served.
const TARGET: Duration = ms(200);
/// The limit needs a moment to find itself, and the queue ten targets of overload to see that it stands.
const WARM_UP: Duration = ms(5_000);

/// Requests per second that the backend can serve.
fn peak() -> f64 {
    f64::from(CAPACITY) / SERVICE.as_secs_f64()
}

/// Offers `load` times the peak for `measured`; returns the goodput as a share of the peak, and what became of all.
fn goodput(ctx: &Context, flags: &[&str], load: f64, measured: Duration) -> (f64, Outcomes) {
    let backend = CapacityBackend::start();
    let program = ctx.start(&[backend.addr()], flags);
    let outcomes = open_loop::run(program.addr(), load * peak(), WARM_UP, measured);
    let served = f64::from(u32::try_from(outcomes.served.len()).unwrap());
    (served / measured.as_secs_f64() / peak(), outcomes)
}

/// Whether the goodput holds; if not, the figures. What the program serves without overload is the measure of what it should
/// serve with it.
fn goodput_holds(ctx: &Context, flags: &[&str], load: f64, measured: Duration) -> Result<(), String> {
    let (at_nine_tenths, _) = goodput(ctx, &[], 0.9, measured);
    let at_peak = at_nine_tenths / 0.9;
    let (overloaded, outcomes) = goodput(ctx, flags, load, measured);
    let (p99, refused, lost) = (outcomes.p99(), outcomes.refused, outcomes.lost);
    let figures = format!("{overloaded:.2} of the peak after {at_peak:.2}, p99 {p99:?}, {refused} shed, {lost} lost");
    // Those that are not served are told at once instead of waiting until they give up.
    let holds = overloaded >= 0.9 * at_peak && p99 <= 3 * TARGET && refused > 20 * lost;
    if holds { Ok(()) } else { Err(figures) }
}

/// A busy machine can take the processor away from program, backend and clients, so one of three attempts is enough. A
/// limit that does not find itself, or a queue in order of arrival, fails all of them.
fn assert_goodput_holds(ctx: &Context, flags: &[&str], load: f64, measured: Duration) {
    let mut failures = Vec::new();
    while failures.len() < 3 {
        match goodput_holds(ctx, flags, load, measured) {
            Ok(()) => return,
            Err(figures) => failures.push(figures),
        }
    }
    panic!("{}", failures.join("\n"));
}

const AIMD: [&str; 6] = ["--shed", "aimd", "--shed-threshold", "150ms", "--shed-target", "200ms"];
const GRADIENT: [&str; 4] = ["--shed", "gradient", "--shed-target", "200ms"];

fn aimd_keeps_goodput_at_twice_the_peak(ctx: &Context) {
    assert_goodput_holds(ctx, &AIMD, 2.0, ms(5_000));
}

fn gradient_keeps_goodput_at_twice_the_peak(ctx: &Context) {
    assert_goodput_holds(ctx, &GRADIENT, 2.0, ms(5_000));
}

fn without_shedding_goodput_collapses(ctx: &Context) {
    let (overloaded, _) = goodput(ctx, &[], 2.0, ms(4_000));
    assert!(overloaded < 0.5, "{overloaded:.2} of the peak: the backend is too kind to show anything");
}

fn goodput_holds_for_longer_and_at_three_times_the_peak(ctx: &Context) {
    assert_goodput_holds(ctx, &AIMD, 3.0, ms(30_000));
    // Half of the time falls after a second measurement of the minimum, a minute after the first.
    assert_goodput_holds(ctx, &GRADIENT, 2.0, ms(90_000));
}
