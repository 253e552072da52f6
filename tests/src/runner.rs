//! Runs a chapter's suites: one libtest-mimic trial per case, each under a watchdog.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{PoisonError, RwLock, mpsc};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::capabilities::Suite;
use crate::case::{Case, Tier};
use crate::{Context, backend, capabilities, suites};

/// Held by each case that runs, and exclusively by one that must run alone.
static RUNNING: RwLock<()> = RwLock::new(());

/// Runs the suites of `chapter` against `program` (or `LB_BIN`), with libtest's command line. `others` are the names
/// and paths of the chapter's further programs.
pub fn run_ladder(chapter: u8, program: &str, others: &'static [(&'static str, &'static str)]) -> ExitCode {
    let roles = [
        backend::backend_process::run_if_asked,
        backend::bundled_process::run_if_asked,
        backend::stream_process::run_if_asked,
    ];
    if let Some(exit_code) = roles.into_iter().find_map(|run_if_asked| run_if_asked()) {
        return exit_code;
    }
    let program = std::env::var_os("LB_BIN").map_or_else(|| PathBuf::from(program), PathBuf::from);
    let full = std::env::var_os("LADDER_FULL").is_some_and(|value| value == "1");
    let cases_of = |suite: Suite| {
        suites::all()
            .filter(move |case| case.suite == suite.name && case.since <= chapter)
            .map(move |case| (suite, case))
    };
    let mut cases: Vec<_> = capabilities::suites_of(chapter).into_iter().flat_map(cases_of).collect();
    // The longest first, so that none of them outlasts all others.
    cases.sort_by_key(|(_, case)| match case.tier {
        Tier::Slow | Tier::Full => 0,
        Tier::Fast => 1,
        Tier::Alone => 2,
    });
    let trials = cases
        .into_iter()
        .map(|(suite, case)| {
            let program = program.clone();
            Trial::test(format!("{}::{}", suite.title(), case.name), move || {
                in_turn(case, Context::new(chapter, program, suite.arguments, others))
            })
            .with_ignored_flag(case.is_long_in(chapter) && !full)
        })
        .collect();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert_with(threads);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// How many cases run at once. They compute for a sixth of their time, and otherwise wait for deadlines. With three per
/// core, cases with deadlines came late on a machine that was busy otherwise.
fn threads() -> usize {
    2 * thread::available_parallelism().map_or(1, usize::from)
}

/// Runs a case beside others, or alone.
fn in_turn(case: Case, context: Context) -> Result<(), Failed> {
    if case.tier == Tier::Alone {
        let _alone = RUNNING.write().unwrap_or_else(PoisonError::into_inner);
        watched(case, context)
    } else {
        let _beside_others = RUNNING.read().unwrap_or_else(PoisonError::into_inner);
        watched(case, context)
    }
}

/// Runs a case on its own thread, so that a case that hangs fails without blocking the run.
fn watched(case: Case, context: Context) -> Result<(), Failed> {
    let (done, outcome) = mpsc::channel();
    let children = context.children();
    thread::Builder::new()
        .name(case.name.to_owned())
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| (case.run)(&context)));
            let _ = done.send(result);
        })
        .map_err(|error| format!("cannot start a thread for the case: {error}"))?;
    match outcome.recv_timeout(case.deadline) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => Err(message_of(panic.as_ref()).into()),
        Err(_) => {
            children.kill_all();
            Err(format!("still running after {:?}", case.deadline).into())
        }
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "the case panicked".to_owned())
}
