//! Suite `limits`: concurrent requests per backend are limited, further ones are queued, and the queue is bounded.

use std::sync::{Arc, Condvar, Mutex};

use crate::backend::{Backend, ok_response};
use crate::client::Client;
use crate::process::Program;
use crate::suites::support::{settle, together};
use crate::wait::{PATIENCE, until};

pub(super) mod leaving;
pub(super) mod queue;
pub(super) mod slots;
pub(super) mod workers;

/// A backend that answers each request only when the gate opens; `served` is the targets in order of arrival.
struct Gated {
    backend: Backend,
    gate: Arc<Gate>,
    served: Arc<Mutex<Vec<String>>>,
}

impl Gated {
    fn start() -> Self {
        let (gate, served) = (Arc::new(Gate::default()), Arc::new(Mutex::new(Vec::new())));
        let (at, arrived) = (Arc::clone(&gate), Arc::clone(&served));
        let backend = Backend::start(move |conn| {
            let Ok(request) = conn.request() else { return };
            arrived.lock().unwrap().push(request.head.target);
            if at.pass() {
                conn.write(ok_response(&String::from_utf8_lossy(&request.body)));
            }
        });
        Self { backend, gate, served }
    }

    fn served(&self) -> Vec<String> {
        self.served.lock().unwrap().clone()
    }

    /// Waits until these targets have arrived, in this order.
    fn wait_served(&self, targets: &[&str]) {
        until(&format!("{targets:?} arrived"), || self.served() == targets);
    }
}

/// Lets one request through for each time that it is opened.
#[derive(Default)]
struct Gate {
    free: Mutex<usize>,
    opened: Condvar,
}

impl Gate {
    fn open(&self, times: usize) {
        *self.free.lock().unwrap() += times;
        self.opened.notify_all();
    }

    /// Waits to be let through; `false` when the gate stays closed.
    fn pass(&self) -> bool {
        let free = self.free.lock().unwrap();
        let (mut free, waited) = self.opened.wait_timeout_while(free, PATIENCE, |free| *free == 0).unwrap();
        if waited.timed_out() {
            return false;
        }
        *free -= 1;
        true
    }
}

/// Sends a request for `target` and waits until the program has queued it: until all its threads sleep.
fn queue_request(program: &Program, target: &str) -> Client {
    let mut client = program.client();
    client.request("GET", target, "");
    settle(program);
    client
}
