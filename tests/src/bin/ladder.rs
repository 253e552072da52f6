//! Runs the suites of each chapter and prints a line per chapter.
//!
//! ```text
//! chapter  2   proxy 55 ok   framing 31 ok   smuggling 34 ok   robustness 36 ok
//! ```
//! Arguments: a chapter's number for that one only, `--full` for the long cases too. The exit code is
//! 0 only if every case passed. It runs `cargo test`, so each binary is built before it is tested.
#![allow(clippy::print_stdout, reason = "a tool whose output is its standard output")]

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use integration_tests::capabilities::{CHAPTERS, Suite, suites_of};

/// Runs the black-box suites of each chapter and prints the ladder of results.
#[derive(Debug, Parser)]
struct Options {
    /// Run only this chapter
    chapter: Option<u8>,
    /// Also run the long cases
    #[arg(long)]
    full: bool,
    /// Also print the output of chapters in which a case fails
    #[arg(long)]
    verbose: bool,
}

/// Cases of a suite.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// One chapter's run.
#[derive(Debug)]
struct ChapterResult {
    suites: BTreeMap<String, Counts>,
    failed_cases: Vec<String>,
    output: String,
    finished: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let chosen: Vec<_> = CHAPTERS.filter(|number| options.chapter.is_none_or(|only| only == *number)).collect();
    if chosen.is_empty() {
        println!("no such chapter on the ladder");
        return ExitCode::from(64);
    }
    let (mut total, mut all_finished) = (Counts::default(), true);
    for chapter in chosen {
        let result = run_chapter(chapter, options.full);
        print_result(chapter, &suites_of(chapter), &result, options.verbose);
        all_finished &= result.finished;
        for counts in result.suites.values() {
            total.passed += counts.passed;
            total.failed += counts.failed;
            total.skipped += counts.skipped;
        }
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed == 0 && all_finished { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one chapter's `tests/ladder.rs`.
fn run_chapter(chapter: u8, full: bool) -> ChapterResult {
    let package = package_of(chapter);
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "-p", &package, "--test", "ladder", "--", "--format", "pretty"]);
    if full {
        command.env("LADDER_FULL", "1");
    }
    let output = command.stdin(Stdio::null()).output();
    let (text, finished) = match output {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            let finished = text.contains("test result: ");
            (text, finished)
        }
        Err(error) => (format!("cannot run cargo: {error}"), false),
    };
    let mut result = ChapterResult { suites: BTreeMap::new(), failed_cases: Vec::new(), output: text, finished };
    for line in result.output.lines() {
        let Some((name, outcome)) = outcome(line) else { continue };
        let suite = name.rsplit_once("::").map_or(name, |(suite, _)| suite).to_owned();
        let counts = result.suites.entry(suite).or_default();
        match outcome {
            "ok" => counts.passed += 1,
            "ignored" => counts.skipped += 1,
            _ => {
                counts.failed += 1;
                result.failed_cases.push(name.to_owned());
            }
        }
    }
    result
}

/// The case and the outcome of a line `test suite::case ... ok`.
fn outcome(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let name = name.trim();
    name.contains("::").then_some((name, outcome.trim()))
}

/// The package of a chapter, found by the prefix of its directory's name.
fn package_of(chapter: u8) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let prefix = format!("chapter-{chapter:02}-");
    let directories = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut names = directories.filter_map(|entry| entry.file_name().into_string().ok());
    names.find(|name| name.starts_with(&prefix)).unwrap_or(prefix)
}

fn print_result(chapter: u8, suites: &[Suite], result: &ChapterResult, verbose: bool) {
    let mut line = format!("chapter {chapter:2}");
    for suite in suites.iter().map(Suite::title) {
        let counts = result.suites.get(&suite).copied().unwrap_or_default();
        line.push_str(&summary(&suite, counts));
    }
    println!("{line}");
    for case in &result.failed_cases {
        println!("              FAILED {case}");
    }
    let broken = !result.finished || !result.failed_cases.is_empty();
    if !result.finished || (verbose && broken) {
        println!("{}", result.output.trim_end());
    }
}

fn summary(suite: &str, counts: Counts) -> String {
    match counts {
        Counts { passed: 0, failed: 0, skipped: 0 } => format!("   {suite} not run"),
        Counts { passed, failed: 0, skipped: 0 } => format!("   {suite} {passed} ok"),
        Counts { passed, failed: 0, skipped } => {
            format!("   {suite} {passed} ok, {skipped} skipped")
        }
        Counts { passed, failed, .. } => format!("   {suite} {failed} FAILED, {passed} ok"),
    }
}
