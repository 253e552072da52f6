//! `cargo learn` as a reader uses it: on a copy of the workspace, with starting points and with solutions.
//!
//! The copy keeps the reader's own work out of the test. It is built into the same target directory, so that the
//! dependencies are compiled already, but with another version: cargo would confuse the programs of both otherwise.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it skips")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use integration_tests::cargo;

/// Leaves what lies below the first chapter's checks unoptimised in the copy: it builds in a quarter of the time.
const UNOPTIMISED: &str = "
[profile.dev.package.backends]
opt-level = 0
[profile.dev.package.chapter-01-fundamentals]
opt-level = 0
[profile.dev.package.common]
opt-level = 0
";

/// A copy of the workspace, with every exercise at its starting point.
struct Copy {
    root: PathBuf,
}

impl Copy {
    /// Always the same directory, so that cargo finds its earlier build there.
    fn make(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(root.join(".learn"));
        let copy = Self { root };
        copy_folder(workspace(), &copy.root);
        remove_deleted(workspace(), &copy.root);
        copy.become_another_version();
        copy.put_in_place("start");
        copy
    }

    /// Cargo identifies a workspace's packages by name, version and path below the root, wherever the root is.
    fn become_another_version(&self) {
        let manifest = self.root.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let copied = text.replacen("\nversion = \"", "\nversion = \"9", 1);
        assert_ne!(copied, text, "the workspace has a version");
        fs::write(manifest, copied + UNOPTIMISED).unwrap();
    }

    /// Copies the files in `folder` over the reader's answers; returns the exercises' numbers, such as `1.1`.
    fn put_in_place(&self, folder: &str) -> Vec<String> {
        let mut numbers = Vec::new();
        for chapter in fs::read_dir(&self.root).unwrap().flatten() {
            let Ok(answers) = fs::read_dir(chapter.path().join("exercises").join(folder)) else { continue };
            let chapter_number: u8 = chapter.file_name().to_str().unwrap()[8..10].parse().unwrap();
            copy_folder(&chapter.path().join("exercises").join(folder), &chapter.path().join("exercises/src"));
            for answer in answers.flatten().filter(|answer| answer.path().is_file()) {
                let name = answer.file_name().into_string().unwrap();
                let place = name[1..].split('_').next().unwrap();
                numbers.push(format!("{chapter_number}.{place}"));
            }
        }
        numbers.sort();
        numbers
    }

    fn learn(&self, args: &[&str]) -> Output {
        let mut learn = Command::new(env!("CARGO_BIN_EXE_learn"));
        learn.arg("--workspace").arg(&self.root).args(args).current_dir(&self.root);
        // The cargo that runs the tests sets the target directory; without it, `target` next to the manifest is used.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        learn.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true").output().unwrap()
    }

    fn says(&self, args: &[&str]) -> String {
        let output = self.learn(args);
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{args:?}: {text}");
        text
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The program with the checks of chapter 1, as cargo builds it for the workspace at `root`.
fn checks_of(root: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_str().unwrap();
    let args = ["test", "--no-run", "--offline", "--target-dir", target, "--package", "chapter-01-exercises"];
    let built = cargo::build(root, &[&args[..], &["--test", "checks"]].concat()).unwrap().unwrap();
    built.into_iter().find(|built| built.name == "checks").unwrap().program
}

/// Copies files that differ; an unchanged file keeps its time, so that cargo does not rebuild it.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let name = entry.file_name();
        if ["target", ".git", ".learn"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        let (source, goal) = (entry.path(), to.join(&name));
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&source, &goal);
        } else {
            write(&goal, &fs::read(&source).unwrap());
        }
    }
}

/// Removes what an earlier copy had and the workspace no longer has: a renamed exercise must not be found twice.
fn remove_deleted(from: &Path, to: &Path) {
    for entry in fs::read_dir(to).unwrap().flatten() {
        let (source, copy) = (from.join(entry.file_name()), entry.path());
        match (entry.file_type().unwrap().is_dir(), source.exists()) {
            (true, true) => remove_deleted(&source, &copy),
            (true, false) => fs::remove_dir_all(copy).unwrap(),
            (false, false) => fs::remove_file(copy).unwrap(),
            (false, true) => {}
        }
    }
}

fn write(path: &Path, content: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(content) {
        fs::write(path, content).unwrap();
    }
}

fn chapter_of(number: &str) -> &str {
    number.split_once('.').unwrap().0
}

/// All exercises with `LADDER_FULL=1`, because each chapter is built once more for the copy, and suites run against its
/// programs; otherwise those of the first chapter. Every crate of exercises tests its solutions itself.
#[test]
fn every_start_fails_and_every_solution_passes_its_checks() {
    let is_full = std::env::var_os("LADDER_FULL").is_some_and(|value| value == "1");
    let copy = Copy::make("learn");
    let all = copy.put_in_place("start");
    let numbers: Vec<_> = all.iter().filter(|number| is_full || chapter_of(number) == "1").cloned().collect();
    assert!(numbers.len() >= 3, "{numbers:?}");
    let chapters: BTreeSet<_> = numbers.iter().map(|number| chapter_of(number)).collect();
    // In parallel, because failing checks wait for their deadlines while cargo builds the next ones.
    let outputs: Vec<_> = thread::scope(|scope| {
        let checking: Vec<_> = chapters.iter().map(|chapter| scope.spawn(|| copy.learn(&["check", chapter]))).collect();
        checking.into_iter().map(|checking| checking.join().unwrap()).collect()
    });
    for (chapter, output) in chapters.iter().zip(outputs) {
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for number in numbers.iter().filter(|number| chapter_of(number) == *chapter) {
            assert!(said.contains(&format!("\n{number} is open")), "the start of {number} passes its checks: {said}");
        }
    }
    assert!(copy.says(&["list"]).contains(&format!("0 of {} done", all.len())));

    assert_eq!(copy.put_in_place("solutions"), all);
    for chapter in &chapters {
        assert!(!copy.says(&["check", chapter]).contains("FAILS"));
    }
    assert!(copy.says(&["list"]).contains(&format!("{} of {} done", numbers.len(), all.len())));
    if is_full {
        assert!(copy.says(&["next"]).contains("exercises are done"));
    }
    assert!(copy.says(&["solution", &numbers[0]]).contains("pub fn"));
    // Otherwise the reader's next check would run the build of the solutions.
    assert_ne!(checks_of(&copy.root), checks_of(workspace()));
}

#[test]
fn hints_come_one_by_one_and_a_reset_keeps_the_old_answer() {
    // Another name, because the other test uses its own copy.
    let copy = Copy::make("learn-orders");
    assert!(copy.says(&["next"]).starts_with("1.1 "));
    for shown in 1..=4 {
        assert_eq!(copy.says(&["hint"]).matches(" of 3 for 1.1").count(), shown.min(3));
    }
    let source = copy.root.join("chapter-01-fundamentals/exercises/src/e1_uppercase_echo.rs");
    fs::write(&source, "// mine\n").unwrap();
    let said = copy.says(&["reset", "1.1"]);
    let kept = said.lines().find_map(|line| line.strip_prefix("What you wrote is kept in ")).unwrap();
    assert_eq!(fs::read_to_string(kept.trim_end_matches('.')).unwrap(), "// mine\n");
    assert_eq!(
        fs::read(&source).unwrap(),
        fs::read(copy.root.join("chapter-01-fundamentals/exercises/start/e1_uppercase_echo.rs")).unwrap()
    );
    assert!(copy.says(&["reset", "1.1"]).contains("at its starting point"));
    assert_eq!(copy.says(&["hint"]).matches(" of 3 for 1.1").count(), 1, "a reset forgets the hints");
}

#[test]
fn a_solution_is_withheld_and_invalid_input_rejected_in_one_line() {
    let copy = Copy::make("learn-refusals");
    let early = copy.learn(&["solution", "1.1"]);
    assert_eq!(early.status.code(), Some(1));
    assert!(!String::from_utf8_lossy(&early.stdout).contains("pub fn"));
    for wrong in [&["check", "1.99"][..], &["check", "x"], &["hint", "0"], &["reset"], &["dance"], &["check", "77"]] {
        let output = copy.learn(wrong);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1, "{wrong:?}");
    }
}

/// The files that a reader changes equal the starting points that `reset` restores, until the reader has begun.
#[test]
fn the_exercises_are_committed_at_their_starting_points() {
    if std::env::var_os("CI").is_none() {
        println!("skipped: only where CI is set, as you may have begun to work on them");
        return;
    }
    for chapter in fs::read_dir(workspace()).unwrap().flatten() {
        let Ok(given) = fs::read_dir(chapter.path().join("exercises/start")) else { continue };
        for file in given.flatten() {
            let source = chapter.path().join("exercises/src").join(file.file_name());
            let same = fs::read(&source).ok() == fs::read(file.path()).ok();
            assert!(same, "{} differs from its starting point in start/", source.display());
        }
    }
}
