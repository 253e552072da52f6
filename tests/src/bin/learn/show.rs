//! The output of the commands that run no checks.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use common::outln;

use crate::catalogue::{Catalogue, Exercise};
use crate::page::plain;
use crate::progress::{FOLDER, Progress};

/// Lists all exercises and their state.
pub(crate) fn list(catalogue: &Catalogue, progress: &Progress) -> ExitCode {
    let mut chapter = 0;
    for exercise in &catalogue.exercises {
        if exercise.number.chapter != chapter {
            chapter = exercise.number.chapter;
            outln!("Chapter {chapter}");
        }
        let mark = if progress.is_done(exercise.number) { "done" } else { "    " };
        outln!("  {mark}  {}  {}", exercise.number, exercise.section.title);
    }
    let done = catalogue.exercises.iter().filter(|exercise| progress.is_done(exercise.number)).count();
    let next = if done < catalogue.exercises.len() { " `cargo learn next` shows the next one." } else { "" };
    outln!("{done} of {} done.{next}", catalogue.exercises.len());
    ExitCode::SUCCESS
}

/// Prints the next exercise and how to work on it.
pub(crate) fn statement(root: &Path, catalogue: &Catalogue, progress: &Progress) -> ExitCode {
    let Some(exercise) = catalogue.next(progress) else {
        outln!("All {} exercises are done.", catalogue.exercises.len());
        return ExitCode::SUCCESS;
    };
    let number = exercise.number;
    outln!("{number} {}\n\n{}\n", exercise.section.title, plain(&exercise.section.statement));
    if let Ok(start) = fs::read_to_string(root.join(exercise.start())) {
        outln!("What the file says:\n\n{}\n", module_doc(&start));
    }
    outln!("Change   {}", root.join(exercise.source()).display());
    outln!("Check    cargo learn check {number}");
    outln!("Stuck?   cargo learn hint {number}");
    ExitCode::SUCCESS
}

/// The lines that begin with `//!`, without the title: the contract that the checks hold an answer to.
fn module_doc(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<_> = lines.skip(1).map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n").trim().to_owned()
}

/// Prints the hints shown so far and one more.
pub(crate) fn hint(exercise: &Exercise, progress: &mut Progress) -> ExitCode {
    let hints = &exercise.section.hints;
    let shown = (progress.hints_shown(exercise.number) + 1).min(hints.len());
    for (place, hint) in hints[..shown].iter().enumerate() {
        outln!("Hint {} of {} for {}\n\n{}\n", place + 1, hints.len(), exercise.number, plain(hint));
    }
    progress.show_hints(exercise.number, shown);
    ExitCode::SUCCESS
}

/// Restores the starting point and keeps the reader's version.
///
/// The starting point is a file of its own in `start/` and not read from git, because it must be found whatever the
/// reader has committed.
pub(crate) fn reset(root: &Path, exercise: &Exercise, progress: &mut Progress) -> Result<ExitCode, String> {
    let (source, start) = (root.join(exercise.source()), root.join(exercise.start()));
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let (yours, given) = (read(&source), read(&start)?);
    if yours.as_ref().is_ok_and(|yours| *yours == given) {
        outln!("{} is at its starting point.", exercise.number);
        return Ok(ExitCode::SUCCESS);
    }
    if let Ok(yours) = yours {
        let kept = keep(root, exercise, &yours)?;
        outln!("What you wrote is kept in {kept}.");
    }
    fs::write(&source, given).map_err(|error| format!("{}: {error}", source.display()))?;
    progress.forget(exercise.number);
    outln!("{} is unchanged from its starting point: {}", exercise.number, source.display());
    Ok(ExitCode::SUCCESS)
}

/// Saves the reader's version in the progress directory, under the first free name.
fn keep(root: &Path, exercise: &Exercise, yours: &[u8]) -> Result<String, String> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names = (1..).map(|attempt| folder.join(format!("{}-{}-{attempt}.rs", exercise.number, exercise.module)));
    let path = names.find(|path| !path.exists()).expect("some number is free");
    fs::write(&path, yours).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.display().to_string())
}

/// Prints our solution, once the reader's own has passed.
pub(crate) fn solution(root: &Path, exercise: &Exercise, progress: &Progress) -> Result<ExitCode, String> {
    let number = exercise.number;
    if !progress.is_done(number) {
        outln!("{number} has not passed its checks yet: `cargo learn check {number}`. Ours teaches more after");
        outln!("you have solved it yourself. To read it now, see {}", root.join(exercise.solution()).display());
        return Ok(ExitCode::FAILURE);
    }
    let path = root.join(exercise.solution());
    let code = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    outln!("{}\n\n{code}", plain(&exercise.section.solution));
    Ok(ExitCode::SUCCESS)
}
