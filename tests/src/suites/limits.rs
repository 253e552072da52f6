//! Suite `limits`: concurrent requests per backend are limited, further ones are queued, and the queue is bounded.

use std::sync::{Arc, Condvar, Mutex};

use crate::backend::{Backend, ok_response};
use crate::client::Client;
use crate::process::Program;
use crate::suites::support::{requesting_clients, run_in_parallel, wait_until_idle};
use crate::wait::{TEST_TIMEOUT, until};

pub(super) mod descriptors;
pub(super) mod disconnects;
pub(super) mod queue;
pub(super) mod slots;
pub(super) mod workers;

/// A backend that answers each request only when the gate opens; `served` is the targets in order of arrival.
pub(super) struct GatedBackend {
    pub(super) backend: Backend,
    pub(super) gate: Arc<ResponseGate>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl GatedBackend {
    pub(super) fn start() -> Self {
        let (gate, requests) = (Arc::new(ResponseGate::default()), Arc::new(Mutex::new(Vec::new())));
        let (at, arrived) = (Arc::clone(&gate), Arc::clone(&requests));
        let backend = Backend::start(move |conn| {
            let Ok(request) = conn.request() else { return };
            arrived.lock().unwrap().push(request.head.target);
            if at.wait_until_open() {
                conn.write(ok_response(&String::from_utf8_lossy(&request.body)));
            }
        });
        Self { backend, gate, requests }
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until these targets have arrived, in this order.
    fn wait_for_requests(&self, targets: &[&str]) {
        until(&format!("{targets:?} arrived"), || self.requests() == targets);
    }
}

/// Permits one response for each time that it is opened.
#[derive(Default)]
pub(super) struct ResponseGate {
    permits: Mutex<usize>,
    opened: Condvar,
}

impl ResponseGate {
    pub(super) fn open(&self, times: usize) {
        *self.permits.lock().unwrap() += times;
        self.opened.notify_all();
    }

    /// Waits for a permit; `false` if none arrives in time.
    fn wait_until_open(&self) -> bool {
        let permits = self.permits.lock().unwrap();
        let (mut permits, waited) =
            self.opened.wait_timeout_while(permits, TEST_TIMEOUT, |permits| *permits == 0).unwrap();
        if waited.timed_out() {
            return false;
        }
        *permits -= 1;
        true
    }
}

/// Sends a request for `target` and waits until the program has queued it: until all its threads sleep.
fn queue_request(program: &Program, target: &str) -> Client {
    let mut client = program.client();
    client.request("GET", target, "");
    wait_until_idle(program);
    client
}
