//! A balancer whose requests end in every way that has a metric of its own.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::Context;
use crate::backend::{Backend, ReservedPort};
use crate::process::Program;
use crate::suites::metrics::METRICS;
use crate::suites::support::reserved_port;
use crate::wait::{ms, pause};

/// A balancer in front of a backend that works, one that resets connections, and one that does not run.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) program: Program,
    pub(super) dead: ReservedPort,
    _backends: [Backend; 2],
}

/// What the clients ask for again and again.
const TARGETS: [&str; 7] = ["/200", "/404", "/500", "/limited", "/reset", "/dead", "/201"];

impl Scene {
    pub(super) fn start(ctx: &Context) -> Self {
        let working = Backend::start_without_recording(|conn| {
            while let Ok(request) = conn.request() {
                let status = request.head.target.trim_start_matches('/');
                let status = status.parse().unwrap_or(200);
                conn.write(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"));
            }
        });
        let resetting = Backend::start_without_recording(|conn| {
            if conn.request().is_ok() {
                conn.reset();
            }
        });
        let dead = reserved_port();
        let groups = [format!("reset={}", resetting.addr()), format!("dead={}", dead.addr)];
        let flags = ["--check", "tcp,interval=100ms", "--limit", "5/h,burst=5 by=global path=/limited name=login"];
        let mut all = [&METRICS[..], &flags].concat();
        all.extend(groups.iter().flat_map(|group| ["--group", group]));
        all.extend(["--route", "path=/reset -> reset", "--route", "path=/dead -> dead"]);
        let program = ctx.start(&[working.addr()], &all);
        Self { program, dead, _backends: [working, resetting] }
    }

    /// Sends requests until `done`, some hundred per second.
    pub(super) fn send_until(&self, done: &AtomicBool) {
        while !done.load(SeqCst) {
            let mut client = self.program.client();
            for target in TARGETS {
                let response = client.get(target);
                if response.head.says_close() {
                    client = self.program.client();
                }
            }
            pause(ms(20));
        }
    }
}
