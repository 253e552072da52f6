//! Suite `limits`: at most so many requests at once to a backend, the others in line, and no line without an end.

use std::sync::{Arc, Condvar, Mutex};

use crate::backend::{Backend, ok_response};
use crate::client::Client;
use crate::process::Program;
use crate::runner::Case;
use crate::suites::{settle, together};
use crate::wait::{PATIENCE, until};

mod leaving;
mod loops;
mod queue;
mod slots;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[slots::CASES, queue::CASES, leaving::CASES, loops::CASES])
}

/// A backend that answers a request only when it is let: `served` is the targets in the order of their arrival.
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

/// Lets one through for each time that it is opened.
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

    /// Waits to be let through; `false` when nobody opens.
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

/// Sends a request for `target` and waits until the program has put it in line: until nothing in it moves.
fn wait_in_line(program: &Program, target: &str) -> Client {
    let mut client = program.client();
    client.request("GET", target, "");
    settle(program);
    client
}
