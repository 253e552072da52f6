//! Runs a chapter's suites: one libtest-mimic trial per case, each under a watchdog.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{Context, backend, capabilities, suites};

/// Longer than a case takes that does not say otherwise; what is still running then has hung and its programs are killed.
pub(crate) const CASE_DEADLINE: Duration = Duration::from_mins(2);

/// When a case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Always.
    Fast,
    /// With `LADDER_FULL=1` only: long or large.
    Full,
}

/// One black-box test.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The suite, as in [`capabilities::LADDER`].
    pub suite: &'static str,
    /// A sentence.
    pub name: &'static str,
    /// When it runs.
    pub tier: Tier,
    /// The first chapter that can pass it.
    pub since: u8,
    /// How long it may take before it is given up.
    pub deadline: Duration,
    /// The test; it panics to fail.
    pub run: fn(&Context),
}

/// Lists the cases of a file: `cases! { "proxy"; Fast a_sentence, Full another, }` makes `CASES`.
///
/// `"limits" from 5` are for the chapters of a suite from this one on; `Full long within ms(600_000)` may take as long.
macro_rules! cases {
    ($suite:literal $(from $since:literal)?; $($tier:ident $name:ident $(within $deadline:expr)?),+ $(,)?) => {
        pub(crate) const CASES: &[$crate::runner::Case] = &[$($crate::runner::Case {
            suite: $suite,
            name: stringify!($name),
            tier: $crate::runner::Tier::$tier,
            since: SINCE,
            deadline: $crate::runner::cases!(@or $crate::runner::CASE_DEADLINE $(, $deadline)?),
            run: $name,
        }),+];
        const SINCE: u8 = $crate::runner::cases!(@or 1 $(, $since)?);
    };
    (@or $usual:expr) => { $usual };
    (@or $usual:expr, $said:expr) => { $said };
}
pub(crate) use cases;

/// Runs the suites of `chapter` against `program` (or `LB_BIN`), as the command line asks. `others` are the names
/// and paths of the chapter's further programs.
pub fn run_ladder(chapter: u8, program: &str, others: &'static [(&'static str, &'static str)]) -> ExitCode {
    if let Some(ended) = backend::separate::if_asked() {
        return ended;
    }
    let program = std::env::var_os("LB_BIN").map_or_else(|| PathBuf::from(program), PathBuf::from);
    let full = std::env::var_os("LADDER_FULL").is_some_and(|value| value == "1");
    let passed = capabilities::suites_of(chapter);
    let trials = suites::all()
        .filter(|case| passed.contains(&case.suite) && case.since <= chapter)
        .map(|case| {
            let program = program.clone();
            Trial::test(format!("{}::{}", case.suite, case.name), move || {
                watched(case, Context::new(chapter, program, others))
            })
            .with_ignored_flag(case.tier == Tier::Full && !full)
        })
        .collect();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert_with(threads);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// How many cases run at once. They wait for deadlines far longer than they compute.
fn threads() -> usize {
    2 * thread::available_parallelism().map_or(1, usize::from)
}

/// Runs a case on its own thread, so that one that hangs fails and does not hang the run.
fn watched(case: Case, context: Context) -> Result<(), Failed> {
    let (done, outcome) = mpsc::channel();
    let children = context.children();
    thread::Builder::new()
        .name(case.name.to_owned())
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| (case.run)(&context)));
            let _ = done.send(result);
        })
        .map_err(|error| format!("no thread for the case: {error}"))?;
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
