//! `load`: an HTTP/1.1 load generator that checks every response and reports rates and latencies.
//!
//! Every measurement of this workspace relies on two guarantees: a failed request is never counted as fast, and time
//! spent waiting to send is never left out (see [`schedule`]).
//!
//! ```console
//! $ cargo load http://127.0.0.1:8080/ -c 64 -d 5s
//! $ cargo load http://127.0.0.1:8080/bytes/10000 -c 64 --rate 5000 --pid $(pidof load_balancer)
//! ```

mod chunked;
mod client;
mod clock;
mod expect;
mod failure;
mod head;
mod load_thread;
mod options;
mod plan;
mod progress;
mod report;
mod response;
mod run;
mod schedule;
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a timer's descriptor given to the runtime")]
mod sys;
mod tally;
mod target;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use common::{cli, net, outln, shutdown::Shutdown, signals};
use integration_tests::cpu::CpuTime;

use crate::{
    options::{Options, OptionsError},
    plan::Plan,
    report::Report,
};

fn main() -> ExitCode {
    let options = match Options::read(std::env::args_os()) {
        Ok(options) => options,
        Err(exit) => return exit.print(),
    };
    let plan = match Plan::of(&options) {
        Ok(plan) => plan,
        Err(OptionsError::Usage(why)) => return cli::usage_error(why),
        Err(OptionsError::Machine(why)) => return cli::exit_code(Err(why)),
    };
    // Before the run: minutes of results must not be lost to a missing directory.
    let json = match options.json.as_deref().map(Sink::open).transpose() {
        Ok(json) => json,
        Err(error) => return cli::exit_code(Err(error)),
    };
    let report = prepare().and_then(|shutdown| run::run(&plan, &options.pids, options.quiet, &shutdown));
    let report = match report {
        Ok(report) => report,
        Err(error) => return cli::exit_code(Err(error)),
    };
    if let Err(error) = print(&report, json, !options.pids.is_empty()) {
        return cli::exit_code(Err(error));
    }
    ExitCode::from(u8::from(!report.is_clean()))
}

/// One SIGINT ends the run with its report; if that hangs, the third ends the process.
fn prepare() -> io::Result<Shutdown> {
    // Too few descriptors show up as failures of the requests that lack one.
    let _ = net::raise_fd_limit();
    let shutdown = Shutdown::new()?;
    signals::spawn(shutdown.clone(), || ())?;
    Ok(shutdown)
}

/// Where the JSON goes.
enum Sink {
    Stdout,
    File(File),
}

impl Sink {
    fn open(path: &Path) -> io::Result<Self> {
        if path == "-" {
            return Ok(Self::Stdout);
        }
        let named = |error| io::Error::other(format!("{}: {error}", path.display()));
        File::create(path).map(Self::File).map_err(named)
    }
}

/// The report on stdout, unless the JSON takes its place there.
fn print(report: &Report, json: Option<Sink>, wants_cpu: bool) -> io::Result<()> {
    let text = || serde_json::to_string_pretty(report).map_err(io::Error::from);
    match json {
        Some(Sink::Stdout) => {
            outln!("{}", text()?);
            return Ok(());
        }
        Some(Sink::File(mut file)) => writeln!(file, "{}", text()?)?,
        None => {}
    }
    outln!("{}", report.to_string().trim_end());
    if wants_cpu && !CpuTime::is_available() {
        outln!("cpu          unknown: /proc is missing");
    }
    Ok(())
}
