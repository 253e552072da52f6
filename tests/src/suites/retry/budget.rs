//! When every request fails, retries must not double the load.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::local_reply;
use crate::wait::{ms, pause};

cases! { "retry";
    Fast retries_are_at_most_a_fifth_of_the_requests_in_flight,
}

/// What the backends record: how often each request arrived, and the retries in flight.
#[derive(Debug, Default)]
struct RetryStats {
    attempts: HashMap<String, usize>,
    retries_in_flight: usize,
    max_retries_in_flight: usize,
}

const CLIENTS: usize = 64;

fn retries_are_at_most_a_fifth_of_the_requests_in_flight(ctx: &Context) {
    let stats = Arc::new(Mutex::new(RetryStats::default()));
    let failing = || {
        let stats = Arc::clone(&stats);
        Backend::start(move |conn| {
            let Ok(request) = conn.request() else { return };
            let is_retry = {
                let mut stats = stats.lock().unwrap();
                let attempts = stats.attempts.entry(request.head.target).or_default();
                *attempts += 1;
                let is_retry = *attempts > 1;
                stats.retries_in_flight += usize::from(is_retry);
                stats.max_retries_in_flight = stats.max_retries_in_flight.max(stats.retries_in_flight);
                is_retry
            };
            // A retry stays in flight long enough for later failures to find the budget spent.
            pause(if is_retry { ms(2_500) } else { ms(100) });
            stats.lock().unwrap().retries_in_flight -= usize::from(is_retry);
            conn.close();
        })
    };
    let backends = [failing(), failing(), failing()];
    let program = ctx.start(&backends.each_ref().map(Backend::addr), &[]);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let program = &program;
            scope.spawn(move || local_reply::assert_local(&program.client().get(&format!("/{number}")), 502));
        }
    });
    let stats = stats.lock().unwrap();
    assert_eq!(stats.attempts.len(), CLIENTS, "each request was sent");
    let most = CLIENTS / 5;
    assert!(
        (3..=most).contains(&stats.max_retries_in_flight),
        "{} retries at once, of {CLIENTS} clients",
        stats.max_retries_in_flight
    );
}
