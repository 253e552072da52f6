//! `cargo bench-lb`: every chapter compared with the proxies that people use and a floor, on the reader's machine.
//!
//! ```text
//! load (one CPU core)  ->  target (its own CPU core)  ->  origins (the load's core)
//! ```
//! A run is a [`Session`](session::Session): per workload, interleaved rounds of all targets. A round is
//! [`Bench::round`](round::Bench::round). `tests/bench/README.md` says what is measured, and why.

mod algorithms;
mod args;
mod chapters;
mod clock;
mod cores;
mod datagrams;
mod files;
mod growth;
mod http;
mod kernel;
mod load;
mod machine;
mod metric;
mod origin;
mod peers;
mod plan;
mod process;
mod programs;
mod progress;
mod report;
mod round;
mod run;
mod rung;
mod session;
mod setup;
mod stats;
mod strace;
mod target;
mod template;
mod topology;
mod udp;
mod workload;
mod zero_copy;

use std::process::ExitCode;

use common::{cli, outln};

use crate::args::Options;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args_os()) {
        Ok(options) => options,
        Err(exit) => return exit.print(),
    };
    if options.list {
        for workload in &workload::ALL {
            outln!("{:<15} {}", workload.name, workload.what);
        }
        return ExitCode::SUCCESS;
    }
    let plan = match options.plan() {
        Ok(plan) => plan,
        Err(why) => return cli::usage_error(why),
    };
    match run::run(&options, plan) {
        Ok(code) => code,
        Err(error) => cli::exit_code(Err(error)),
    }
}
