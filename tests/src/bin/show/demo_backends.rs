//! The backends of a demonstration, in this process: numbered, with counters.

use std::collections::BTreeMap;
use std::ops::Deref;

use backends::{Backend, BackendConfig, Fault};
use integration_tests::client::{Client, Response};
use integration_tests::process::Program;
use nix::sys::signal::Signal;

use crate::narrator::Narrator;

/// Backends called `backend-1`, `backend-2` and so on.
#[derive(Debug)]
pub(crate) struct DemoBackends(Vec<Backend>);

impl DemoBackends {
    pub(crate) fn start(count: u8) -> Self {
        let start = |number| {
            let config = BackendConfig { id: format!("backend-{number}"), ..BackendConfig::default() };
            Backend::start(config).expect("a free port")
        };
        Self((1..=count).map(start).collect())
    }

    /// Their addresses, as a command line names them.
    pub(crate) fn names(&self) -> Vec<String> {
        self.iter().map(|backend| backend.addr().to_string()).collect()
    }

    /// How many requests each backend has received.
    pub(crate) fn requests(&self) -> Vec<u64> {
        self.iter().map(Backend::requests).collect()
    }

    /// Sets the fault of backend `number`.
    pub(crate) fn set_fault(&self, number: usize, fault: Fault) {
        self[number - 1].set_fault(fault).expect("its port is still free");
    }

    /// Sets the fault of all backends.
    pub(crate) fn set_all(&self, fault: Fault) {
        (1..=self.len()).for_each(|number| self.set_fault(number, fault));
    }
}

impl Deref for DemoBackends {
    type Target = [Backend];

    fn deref(&self) -> &[Backend] {
        &self.0
    }
}

/// The number of the backend that answered; the status must be 200.
pub(crate) fn responding_backend(response: &Response) -> usize {
    assert_eq!(response.status(), 200, "{response:?}");
    let id = response.fields().get("x-server-id").and_then(|id| id.strip_prefix("backend-"));
    id.and_then(|number| number.parse().ok()).expect("a backend sends its id")
}

/// Sends `count` GETs; returns the numbers of the backends that answered, in order.
pub(crate) fn responding_backends(client: &mut Client, count: usize) -> Vec<usize> {
    (0..count).map(|_| responding_backend(&client.get("/"))).collect()
}

/// Prints the numbers of the backends that answered; returns how many requests each answered.
pub(crate) fn show(narrator: &Narrator, answers: &[usize]) -> BTreeMap<usize, usize> {
    let numbers: Vec<_> = answers.iter().map(ToString::to_string).collect();
    narrator.output(&format!("answered by backend {}", numbers.join(" ")));
    count_by_backend(answers)
}

/// How many requests each backend answered.
pub(crate) fn count_by_backend(answers: &[usize]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for number in answers {
        *counts.entry(*number).or_default() += 1;
    }
    counts
}

/// The table that SIGUSR1 prints, with a row for each of these backends.
pub(crate) fn table(balancer: &Program, backends: &DemoBackends) -> String {
    balancer.signal(Signal::SIGUSR1);
    let last = backends.last().expect("there are backends");
    let all = balancer.wait_stdout(&last.addr().to_string());
    let rows: Vec<_> = all.lines().skip_while(|line| !line.starts_with("backend ")).collect();
    rows.join("\n")
}
