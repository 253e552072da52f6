//! Runs an exercise's checks on wrong answers, each of which must fail the checks that it names.
//!
//! An exercise's `wrong_answers/` has a diff from the solution for each mistake that a reader may well make. A check
//! that such an answer passes is a defect. `tests/build/wrong_answers.rs` makes [`Case`]s of them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{self, Command, ExitCode};
use std::time::Duration;
use std::{env, fs, thread};

use common::outln;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::wait;

/// How long a check may take to fail: its own deadlines are of seconds.
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// What a process exits with whose check takes longer.
const HANGS: u8 = 3;

/// What Rust's runtime exits with after a panic.
const PANICKED: i32 = 101;

/// Cases that run at a time: they mostly wait.
const THREADS: usize = 8;

/// A wrong answer, and a check that it must fail.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of the diff, such as `e3_counts_with_fetch_add`.
    pub answer: &'static str,
    /// The name of the check.
    pub check: &'static str,
    /// Runs the check on the answer. It should panic.
    pub run: fn(),
}

/// Takes the place of [`exercise_checks!`](crate::exercise_checks) in the test target `wrong_answers`, whose `main` is
/// [`main`]: expands to the cases of the exercise, as `wrong::CASES`.
#[macro_export]
macro_rules! wrong_answer_cases {
    ($krate:ident, $exercise:ident :: $function:ident, $($rest:tt)*) => {
        #[allow(warnings, clippy::all, clippy::pedantic, reason = "wrong on purpose")]
        pub(crate) mod wrong {
            include!(concat!(env!("OUT_DIR"), "/wrong_answers/", stringify!($exercise), ".rs"));
        }
    };
}

/// The `main` of the test target `wrong_answers`: one trial per case, with libtest's command line. With `--nocapture`,
/// what each check says is shown.
pub fn main(exercises: &[&[Case]]) -> ExitCode {
    let cases = exercises.concat();
    if let [flag, answer, check] = &env::args().skip(1).collect::<Vec<_>>()[..]
        && flag == "--case"
    {
        let case = cases.iter().find(|case| case.answer == answer && case.check == check).expect("a case");
        return run_here(case);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let shows_all = arguments.nocapture;
    let trial = |case: &Case| {
        let case = *case;
        Trial::test(format!("{}::{}", case.answer, case.check), move || to_result(fault(&case, shows_all)))
    };
    let mut trials: Vec<_> = cases.iter().map(trial).collect();
    trials.push(Trial::test("each_exercise_has_wrong_answers", move || to_result(missing(&cases))));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn to_result(faults: impl IntoIterator<Item = String>) -> Result<(), Failed> {
    let faults: Vec<_> = faults.into_iter().collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// Runs a case in this process, which ends when the time is over.
fn run_here(case: &Case) -> ExitCode {
    thread::spawn(|| {
        wait::pause(TIME_LIMIT);
        process::exit(HANGS.into());
    });
    (case.run)();
    ExitCode::SUCCESS
}

/// Runs a case in a process of its own. Describes it unless the check fails, as it should.
fn fault(case: &Case, shows_all: bool) -> Option<String> {
    let Case { answer, check, .. } = case;
    let program = env::current_exe().expect("this program has a path");
    let output = Command::new(program).args(["--case", answer, check]).env("RUST_BACKTRACE", "0").output();
    let output = output.expect("this program can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    if shows_all {
        outln!("{answer}: {check}\n{said}");
    }
    match output.status.code() {
        Some(PANICKED) => None,
        Some(0) => Some(format!("{answer} passes {check}")),
        Some(code) if code == i32::from(HANGS) => Some(format!("{answer}: {check} does not end within {TIME_LIMIT:?}")),
        _ => Some(format!("{answer}: {check} ends with {}: {said}", output.status)),
    }
}

/// Diffs without a case, and exercises with fewer than two wrong answers.
fn missing(cases: &[Case]) -> Vec<String> {
    let answers: BTreeSet<_> = cases.iter().map(|case| case.answer.to_owned()).collect();
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(folder).expect("cargo runs a test in its package").flatten();
        entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())).collect()
    };
    let unused = names("wrong_answers").into_iter().filter(|diff| diff.starts_with('e') && !answers.contains(diff));
    let mut faults: Vec<_> = unused.map(|diff| format!("{diff} names no check that catches it")).collect();
    let mut counts: BTreeMap<_, _> = names("start").into_iter().map(|exercise| (number(&exercise), 0)).collect();
    for answer in &answers {
        *counts.entry(number(answer)).or_default() += 1;
    }
    let few = counts.into_iter().filter(|(_, count)| *count < 2);
    faults.extend(few.map(|(number, count)| format!("exercise {number} has {count} wrong answers")));
    faults
}

/// The number in `e3_name`, with its letter.
fn number(name: &str) -> String {
    name.split('_').next().unwrap_or_default().to_owned()
}
