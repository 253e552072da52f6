//! Runs the checks of exercises and reports which pass.
//!
//! Cargo builds the checks and reports the program's path. The program is then run directly, so that an answer with an
//! endless loop can be killed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use common::outln;
use integration_tests::{cargo, wait};

use crate::catalogue::Exercise;
use crate::progress::Progress;

/// The time limit of a check. Each check has deadlines of seconds, so one that still runs then never ends.
const MOST: Duration = Duration::from_mins(1);

/// Threads for the checks: they mostly wait, and those of a wrong answer wait for their deadlines in parallel.
const THREADS: &str = "--test-threads=16";

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CheckResult {
    Holds,
    /// With the check's output.
    Fails(String),
}

/// Checks the exercises, which are of one chapter, marks those that are done, and prints the next step.
pub(crate) fn run(root: &Path, exercises: &[&Exercise], progress: &mut Progress) -> Result<ExitCode, String> {
    let Some(first) = exercises.first() else { return Err("there is nothing to check".to_owned()) };
    let Some(program) = build(root, first)? else {
        outln!("The exercises of chapter {} do not compile; see the compiler's messages above.", first.number.chapter);
        outln!("Fix them before checking. `cargo learn reset` restores a starting point.");
        return Ok(ExitCode::FAILURE);
    };
    // All exercises in parallel, for the same reason as the checks of one.
    let check_results: Vec<_> = thread::scope(|scope| {
        let program = &program;
        let running: Vec<_> =
            exercises.iter().map(|exercise| scope.spawn(move || check_results(root, exercise, program))).collect();
        running.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut all_done = true;
    for (exercise, check_results) in exercises.iter().zip(check_results) {
        let check_results = check_results.map_err(|_| "a check's output was lost".to_owned())??;
        all_done &= report(exercise, &check_results, progress);
    }
    Ok(if all_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the chapter's checks; `None` if they do not compile, which the compiler has explained on stderr.
fn build(root: &Path, exercise: &Exercise) -> Result<Option<PathBuf>, String> {
    let package = exercise.package();
    let mut args = vec!["test", "--no-run", "--test", "checks", "--package", &package];
    // An answer that runs in the chapter's program is judged by the chapter's suites. They are built now, because the
    // time limit of a check must not depend on the compiler.
    let chapter = exercise.directory.parent().and_then(Path::to_str).unwrap_or_default();
    if root.join(&exercise.directory).join("src/bin").is_dir() {
        args.extend(["--test", "ladder", "--package", chapter]);
    }
    let built = cargo::build(root, &args).map_err(|error| format!("cannot run cargo: {error}"))?;
    let Some(built) = built else { return Ok(None) };
    let checks = built.into_iter().find(|built| built.name == "checks");
    checks.map(|checks| Some(checks.program)).ok_or_else(|| format!("cargo built no checks of {}", exercise.package()))
}

/// Runs the checks of one exercise against the reader's answer.
fn check_results(root: &Path, exercise: &Exercise, program: &Path) -> Result<BTreeMap<String, CheckResult>, String> {
    let yours = format!("{}::yours::", exercise.module);
    let mut run = Command::new(program);
    run.args(["--ignored", "--color", "never", THREADS, &yours]).current_dir(root.join(&exercise.directory));
    run.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = run.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let mut stdout = child.stdout.take().expect("it is piped");
    let reading = thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stdout.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    let ended = wait::eventually(MOST, || child.try_wait().ok().flatten());
    if ended.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let said = reading.join().map_err(|_| "the checks' output was lost".to_owned())?;
    let mut check_results = parse_check_results(&said, &yours);
    for name in names(root, exercise, program, &yours)? {
        let unended = || CheckResult::Fails(format!("not finished within {MOST:?}: does your code loop for ever?"));
        check_results.entry(name).or_insert_with(unended);
    }
    if check_results.is_empty() {
        return Err(format!("{} has no checks: {said}", exercise.number));
    }
    Ok(check_results)
}

/// The names of all checks of the exercise, for printing.
fn names(root: &Path, exercise: &Exercise, program: &Path, yours: &str) -> Result<Vec<String>, String> {
    let mut list = Command::new(program);
    list.args(["--ignored", "--list", yours]).current_dir(root.join(&exercise.directory));
    let listed = list.output().map_err(|error| format!("{}: {error}", program.display()))?;
    let lines = String::from_utf8_lossy(&listed.stdout).into_owned();
    let names = lines.lines().filter_map(|line| line.strip_prefix(yours)?.strip_suffix(": test"));
    Ok(names.map(|name| name.replace('_', " ")).collect())
}

/// Parses libtest's output: a line per test, then the output of the failed ones.
fn parse_check_results(said: &str, prefix: &str) -> BTreeMap<String, CheckResult> {
    let mut check_results = BTreeMap::new();
    let tests = said.lines().filter_map(|line| line.strip_prefix("test ")?.strip_prefix(prefix)?.split_once(" ... "));
    for (name, result) in tests {
        let result = match result {
            "ok" => CheckResult::Holds,
            _ => CheckResult::Fails(detail(said, &format!("---- {prefix}{name} stdout ----"))),
        };
        check_results.insert(name.replace('_', " "), result);
    }
    check_results
}

/// The output of a failed test, without lines about Rust's test harness. The place of a panic is kept only if it is in
/// the reader's own file.
fn detail(said: &str, heading: &str) -> String {
    let Some((_, rest)) = said.split_once(heading) else { return String::new() };
    let block = rest.lines().take_while(|line| !line.starts_with("---- ") && *line != "failures:");
    let told = block.filter_map(|line| match line.split_once(" panicked at ") {
        Some((_, place)) if line.starts_with("thread '") => {
            place.contains("/src/e").then(|| format!("panicked at {place}"))
        }
        _ if line.is_empty() || line.starts_with("note: run with") => None,
        // Bytes are compared as escaped text, and the assertion escapes that again.
        _ if line.starts_with("  left: ") || line.starts_with(" right: ") => Some(line.replace(r"\\", r"\")),
        _ => Some(line.to_owned()),
    });
    told.collect::<Vec<_>>().join("\n")
}

/// Prints the results and saves the progress; returns whether the exercise is done.
fn report(exercise: &Exercise, check_results: &BTreeMap<String, CheckResult>, progress: &mut Progress) -> bool {
    let number = exercise.number;
    outln!("{number} {}", exercise.section.title);
    for (name, result) in check_results {
        match result {
            CheckResult::Holds => outln!("  ok     {name}"),
            CheckResult::Fails(said) => {
                outln!("  FAILS  {name}");
                said.lines().for_each(|line| outln!("           {line}"));
            }
        }
    }
    if check_results.values().any(|result| matches!(result, CheckResult::Fails(said) if said.contains("left: "))) {
        outln!("  (left: your result, right: the expected one)");
    }
    let is_done = check_results.values().all(|result| *result == CheckResult::Holds);
    if is_done {
        progress.mark_done(number);
        outln!(
            "{number} is done. Compare with our solution: `cargo learn solution {number}`. Then: `cargo learn next`."
        );
    } else {
        progress.mark_open(number);
        outln!("{number} is open: {}. Stuck? `cargo learn hint {number}`.", exercise.source().display());
    }
    is_done
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\nrunning 2 tests\ntest e1::yours::a_b ... ok\ntest e1::yours::c ... FAILED\n\nfailures:\n\n\
        ---- e1::yours::c stdout ----\n\nthread 'e1::yours::c' (7) panicked at tests/a.rs:1:2:\n\
        assertion `left == right` failed: no capitals\n  left: \"a\"\n right: \"A\"\n\
        note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\n\
        failures:\n    e1::yours::c\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n";

    #[test]
    fn verdicts_are_read_with_their_output() {
        let check_results = parse_check_results(SAID, "e1::yours::");
        assert_eq!(check_results.len(), 2);
        assert_eq!(check_results["a b"], CheckResult::Holds);
        let said = "assertion `left == right` failed: no capitals\n  left: \"a\"\n right: \"A\"";
        assert_eq!(check_results["c"], CheckResult::Fails(said.to_owned()));
        assert_eq!(parse_check_results(SAID, "e2::yours::").len(), 0);
        let own = SAID.replace("at tests/a.rs:1:2:", "at chapter-01/exercises/src/e1.rs:7:9:");
        let CheckResult::Fails(said) = &parse_check_results(&own, "e1::yours::")["c"] else { panic!("it fails") };
        assert!(said.starts_with("panicked at chapter-01/exercises/src/e1.rs:7:9:\n"), "{said}");
    }
}
