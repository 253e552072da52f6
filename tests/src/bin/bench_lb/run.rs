//! A run from its plan to its result files.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use common::{
    net, outln,
    shutdown::Shutdown,
    signals::{SIGHUP, SignalHandlers},
};

use crate::{
    args::Options,
    chapters::root,
    clock,
    cores::Cores,
    kernel,
    machine::Machine,
    peers,
    plan::{Plan, RunKind},
    programs::{PROFILE, Programs},
    report::{About, Comparison, Report},
    round::Bench,
    session::Session,
    setup::Found,
};

/// Directory of results that are not committed, next to the built programs.
const SCRATCH: &str = "bench";
const QUICK_SCRATCH: &str = "bench-quick";

/// Runs what the command line requests.
pub(crate) fn run(options: &Options, mut plan: Plan) -> io::Result<ExitCode> {
    if let [old, new] = &options.compare[..] {
        return Ok(compare(&Report::read(old)?, &Report::read(new)?));
    }
    // Before the run: a mistyped name must not cost minutes.
    let old = options.compare.first().map(|path| Report::read(path)).transpose()?;
    let programs = match &options.bin_dir {
        Some(directory) => Programs::at(directory),
        None => Programs::build(&plan.chapters)?,
    };
    let directory = results(options, &plan, &programs);
    std::fs::create_dir_all(&directory)?;
    let report = measure(&mut plan, &programs)?;

    let file = directory.join(format!("{}.json", plan.set));
    report.write(&file)?;
    outln!("{report}");
    outln!("{}", in_workspace(&file).display());
    // A ladder run with two workers would overwrite the one with one.
    if plan.workers == 1 {
        if plan.kind == RunKind::Ladder {
            report.write_pages(&directory.join("pages.json"))?;
        }
        for name in report.draw(&directory)? {
            outln!("{}", in_workspace(&directory.join(name)).display());
        }
    }
    Ok(old.map_or(ExitCode::SUCCESS, |old| compare(&old, &report)))
}

fn measure(plan: &mut Plan, programs: &Programs) -> io::Result<Report> {
    let Found { targets, versions, mut notes } = Found::new(plan, programs)?;
    // Before this thread is pinned to one CPU core.
    let machine = Machine::describe();
    let (bench, open_files) = bench(plan, programs)?;
    notes.extend(plan.skip_beyond(open_files));
    notes.extend(plan.small_pools(open_files));
    if plan.workloads.iter().any(|workload| workload.counts_calls) && bench.strace.is_none() {
        notes.push("system calls are not counted: no strace (apt-get install strace)".to_owned());
    }
    if !bench.cores.are_apart() {
        notes.push("the target shares a core with the load: compare only CPU time, and with care".to_owned());
    }
    if programs.profile != PROFILE {
        notes.push(format!(
            "our programs were built with profile '{}': the figures are not comparable",
            programs.profile
        ));
    }
    // Printed now, not after an hour.
    for note in &notes {
        outln!("{note}");
    }
    let rounds = Session::rounds(&bench, &targets, &plan.workloads, plan.rounds);
    outln!("{}", plan.estimate(rounds));
    let (measured, failed) = Session::run(&bench, &targets, &plan.workloads, plan.rounds)?;
    notes.extend(failed);
    let about = About {
        command: plan.command.clone(),
        date: clock::date(),
        machine,
        versions,
        lean: true,
        profile: programs.profile.clone(),
        rounds: plan.rounds,
        seconds: plan.seconds.as_secs_f64(),
        workers: plan.workers,
        cores_apart: bench.cores.are_apart(),
        notes,
    };
    Ok(Report::new(about, measured))
}

/// Pins this thread to its CPU core, and handles Ctrl-C. Also returns the limit of open files.
fn bench(plan: &Plan, programs: &Programs) -> io::Result<(Bench, u64)> {
    let cores = Cores::divide(plan.workers)?;
    kernel::pin(&cores.load)?;
    // The programs inherit it. In the ladder, too few descriptors show up as failures of the clients that lack one.
    let open_files = net::raise_fd_limit()?;
    let stop = Shutdown::new()?;
    let hung_up = stop.clone();
    // A closed terminal must not leave programs behind either.
    SignalHandlers::new(stop.clone()).on(SIGHUP, move || hung_up.drain()).spawn()?;
    let bench = Bench {
        cores,
        origin: programs.path("origin"),
        strace: peers::find("strace"),
        workers: plan.workers,
        warm_up: plan.warm_up,
        seconds: plan.seconds,
        least_bytes: plan.least_bytes,
        stop,
    };
    Ok((bench, open_files))
}

/// Where the results go: only a full run, built with the right profile, may replace the committed ones.
fn results(options: &Options, plan: &Plan, programs: &Programs) -> PathBuf {
    match &options.out {
        Some(directory) => directory.clone(),
        None if plan.is_full && programs.profile == PROFILE => root().join("tests/bench/results"),
        None if options.quick => programs.scratch(QUICK_SCRATCH),
        None => programs.scratch(SCRATCH),
    }
}

/// As it would be typed in the workspace.
fn in_workspace(path: &Path) -> &Path {
    path.strip_prefix(root()).unwrap_or(path)
}

fn compare(old: &Report, new: &Report) -> ExitCode {
    let comparison = Comparison::new(old, new);
    outln!("{}", comparison.to_string().trim_end());
    ExitCode::from(u8::from(!comparison.worse.is_empty()))
}
