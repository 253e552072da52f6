//! House rules that no compiler checks: which crate may use which, where versions and features are declared and that
//! all builds share them, that modules form no import cycle, that no code is duplicated, and what lies at the top of
//! the repository.
//!
//! Each rule is a function from text to faults, so that a second test can show that it finds one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml_edit::Document;

#[path = "house_rules/cycles.rs"]
mod cycles;
#[path = "house_rules/features.rs"]
mod features;
#[path = "house_rules/manifests.rs"]
mod manifests;
#[path = "house_rules/repeats.rs"]
mod repeats;
#[path = "house_rules/sources.rs"]
mod sources;

/// The directory of each crate of ours, by the crate's name in code.
type Crates = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Document<&str> {
    Document::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The number in `chapter-03-load-balancer`, also for a crate inside that directory.
fn chapter_of(directory: &str) -> Option<u8> {
    let (number, title) = directory.strip_prefix("chapter-")?.split_once('-')?;
    let number = number.parse().ok().filter(|_| number.len() == 2 && !title.is_empty())?;
    (1..=10).contains(&number).then_some(number)
}

/// The crates that `[workspace.dependencies]` declares with a path.
fn our_crates(workspace: &Document<&str>) -> Crates {
    let declared = workspace["workspace"]["dependencies"].as_table_like().expect("dependencies are declared");
    let ours = declared.iter().filter_map(|(name, how)| Some((name, how.get("path")?.as_str()?)));
    ours.map(|(name, path)| (name.replace('-', "_"), path.to_owned())).collect()
}

/// The directories of all members.
fn members(workspace: &Document<&str>) -> Vec<String> {
    let listed = workspace["workspace"]["members"].as_array().expect("members are listed");
    let members: Vec<_> = listed.iter().filter_map(|member| member.as_str().map(str::to_owned)).collect();
    assert!(members.iter().all(|member| !member.contains('*')), "write members out: these checks read each one");
    members
}

/// Whether the crate in `user` must not use the one in `other`.
fn is_forbidden(user: &str, other: &str) -> bool {
    match (chapter_of(user), chapter_of(other)) {
        (Some(own), Some(theirs)) => theirs > own,
        (None, Some(_)) => user == "common",
        (_, None) => user == "common" && other == "backends",
    }
}

/// Names that do not belong at the top of the repository.
fn top_level_faults<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let agreed = ["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "common", "backends", "tests", "target"];
    let is_agreed = |name: &str| agreed.contains(&name) || name.starts_with('.') || chapter_of(name).is_some();
    let strangers = names.into_iter().filter(|name| !is_agreed(name));
    strangers.map(|name| format!("{name}: does not belong at the top of the repository")).collect()
}

/// The names at the top of the repository. Files that git does not know are the reader's own and are ignored;
/// without git, every file counts.
fn top_level_names() -> Vec<String> {
    // In a container the clone's owner is often another user, and git would refuse to read it.
    let git = Command::new("git").args(["-c", "safe.directory=*", "ls-files"]).current_dir(root()).output();
    match git {
        Ok(listed) if listed.status.success() => {
            let paths = String::from_utf8_lossy(&listed.stdout).into_owned();
            paths.lines().filter_map(|path| path.split('/').next().map(str::to_owned)).collect()
        }
        _ => {
            let entries = fs::read_dir(root()).expect("the workspace can be listed").flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        }
    }
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} violations of the house rules:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn only_the_agreed_names_lie_at_the_top() {
    let names = top_level_names();
    assert!(names.iter().any(|name| name == "Cargo.toml"), "{names:?}");
    assert_none(&top_level_faults(names.iter().map(String::as_str)));
}

#[test]
fn an_unexpected_name_at_the_top_is_found() {
    assert_eq!(
        top_level_faults(["Cargo.toml", ".ci", "target", "chapter-10-hot-reload", "tests"]),
        Vec::<String>::new()
    );
    for name in ["src", "docs", "overview.svg", "chapter-11-more", "chapter-3-x", "chapter-00-zero", "chapter-03"] {
        assert_eq!(top_level_faults([name]).len(), 1, "{name}");
    }
}

/// A workspace for tests of the rules.
fn some_crates() -> Crates {
    let directories = ["common", "backends", "chapter-02-simple-proxy", "chapter-03-load-balancer", "tests"];
    let names = ["common", "backends", "simple_proxy", "load_balancer", "integration_tests"];
    names.into_iter().zip(directories).map(|(name, at)| (name.to_owned(), at.to_owned())).collect()
}
