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
    Fast retries_are_a_fifth_of_what_is_in_flight,
}

/// What the backends see: how often each request arrived, and the retries in flight.
#[derive(Debug, Default)]
struct Sight {
    times: HashMap<String, usize>,
    retries_now: usize,
    most_retries: usize,
}

const CLIENTS: usize = 64;

fn retries_are_a_fifth_of_what_is_in_flight(ctx: &Context) {
    let sight = Arc::new(Mutex::new(Sight::default()));
    let failing = || {
        let sight = Arc::clone(&sight);
        Backend::start(move |conn| {
            let Ok(request) = conn.request() else { return };
            let is_retry = {
                let mut sight = sight.lock().unwrap();
                let times = sight.times.entry(request.head.target).or_default();
                *times += 1;
                let is_retry = *times > 1;
                sight.retries_now += usize::from(is_retry);
                sight.most_retries = sight.most_retries.max(sight.retries_now);
                is_retry
            };
            // A retry stays in flight long enough for later failures to find the budget spent.
            pause(if is_retry { ms(2_500) } else { ms(100) });
            sight.lock().unwrap().retries_now -= usize::from(is_retry);
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
    let sight = sight.lock().unwrap();
    assert_eq!(sight.times.len(), CLIENTS, "each request was sent");
    let most = CLIENTS / 5;
    assert!((3..=most).contains(&sight.most_retries), "{} retries at once, of {CLIENTS} clients", sight.most_retries);
}
