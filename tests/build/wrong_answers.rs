//! The build script of the exercises: turns the wrong answers, which are diffs, into modules.
//!
//! `wrong_answers/e3_name.diff` explains a mistake, names the checks that catch it (`Caught by: check`), and ends with
//! the diff from the solution of exercise 3. A hunk is located by its text, not by line numbers. For each exercise a
//! file with the patched solutions and their cases is written, which `exercise_checks!` includes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a build script fails by panicking, and cargo reads it")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=solutions\ncargo::rerun-if-changed=wrong_answers");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("wrong_answers");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).unwrap();
    for solution in stems("solutions", "rs") {
        let number = solution.split_inclusive('_').next().unwrap();
        let answers = stems("wrong_answers", "diff").into_iter().filter(|answer| answer.starts_with(number));
        fs::write(out.join(format!("{solution}.rs")), module(&out, &solution, answers)).unwrap();
    }
}

/// The names of the files with this extension, without it.
fn stems(folder: &str, extension: &str) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    let mut stems: Vec<_> = paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    stems.sort();
    stems
}

/// The source of a module with the wrong answers to one exercise. Its parent module has the checks.
fn module(out: &Path, solution: &str, answers: impl Iterator<Item = String>) -> String {
    let text = fs::read_to_string(format!("solutions/{solution}.rs")).unwrap();
    let function = text.lines().find_map(|line| line.strip_prefix("pub fn ")).unwrap();
    let function = function.split(['(', '<']).next().unwrap();
    let (mut modules, mut cases) = (String::new(), String::new());
    for answer in answers {
        let diff = fs::read_to_string(format!("wrong_answers/{answer}.diff")).unwrap();
        let folder = out.join(&answer);
        if let Err(hunk) = write_patched(&folder, solution, &diff) {
            let message = format!("wrong_answers/{answer}.diff: not exactly once in the solution:\n{hunk}");
            let _ = writeln!(modules, "compile_error!({message:?});");
            continue;
        }
        let path = folder.to_str().unwrap();
        let _ = writeln!(modules, "#[path = {path:?}]\npub(crate) mod {answer} {{ pub mod {solution}; }}");
        for check in diff.lines().filter_map(|line| line.strip_prefix("Caught by: ")) {
            let run = format!("|| super::{check}({answer}::{solution}::{function})");
            let _ = writeln!(cases, "Case {{ answer: {answer:?}, check: {check:?}, run: {run} }},");
        }
    }
    format!("use integration_tests::wrong_answers::Case;\n{modules}\npub(crate) const CASES: &[Case] = &[\n{cases}];\n")
}

/// Writes the solution, with its submodules, as changed by the diff. An error is the hunk that does not apply.
fn write_patched(folder: &Path, solution: &str, diff: &str) -> Result<(), String> {
    copy(Path::new("solutions"), solution, folder);
    for file in diff.split("\n--- solutions/").skip(1) {
        let (name, hunks) = file.split_once('\n').unwrap();
        let path = folder.join(name);
        let mut text = fs::read_to_string(&path).map_err(|_| name.to_owned())?;
        for hunk in hunks.split("@@\n").skip(1) {
            text = patched(&text, hunk).ok_or(hunk)?;
        }
        fs::write(path, text).unwrap();
    }
    Ok(())
}

/// Copies the file of a module, and those of its submodules.
fn copy(from: &Path, module: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let file = format!("{module}.rs");
    fs::copy(from.join(&file), to.join(&file)).unwrap();
    for submodule in fs::read_dir(from.join(module)).into_iter().flatten() {
        let stem = submodule.unwrap().path().with_extension("");
        copy(&from.join(module), stem.file_name().unwrap().to_str().unwrap(), &to.join(module));
    }
}

/// The text with the lines of the hunk replaced; `None` unless they are there exactly once.
fn patched(text: &str, hunk: &str) -> Option<String> {
    let side = |other: char| -> String {
        let lines = hunk.lines().filter(|line| !line.starts_with(other));
        lines.fold("\n".to_owned(), |text, line| text + line.get(1..).unwrap_or_default() + "\n")
    };
    let (before, after) = (side('+'), side('-'));
    (text.matches(&before).count() == 1).then(|| text.replacen(&before, &after, 1))
}
