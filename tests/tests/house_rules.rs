//! The rules of the house that no compiler checks: which crate may name which, where versions and features are
//! declared and that all builds share them, that no modules need each other, that no code stands twice, and what lies
//! at the top of the repository.
//!
//! Each rule is a function from text to faults, so that a second test can show that it does find one.

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

/// Where a crate of ours lives, by the name that code gives it.
type Crates = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Document<&str> {
    Document::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The number in `chapter-03-load-balancer`, also of a crate below it.
fn chapter_of(directory: &str) -> Option<u8> {
    let (number, title) = directory.strip_prefix("chapter-")?.split_once('-')?;
    let number = number.parse().ok().filter(|_| number.len() == 2 && !title.is_empty())?;
    (1..=10).contains(&number).then_some(number)
}

/// The crates that `[workspace.dependencies]` finds by a path.
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

/// Whether the crate in `user` must not name the one in `other`.
fn is_forbidden(user: &str, other: &str) -> bool {
    match (chapter_of(user), chapter_of(other)) {
        (Some(own), Some(theirs)) => theirs > own,
        (None, Some(_)) => user == "common",
        (_, None) => user == "common" && other == "backends",
    }
}

/// Which names do not belong at the top of the repository.
fn top_level_faults<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let agreed = ["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "common", "backends", "tests", "target"];
    let is_agreed = |name: &str| agreed.contains(&name) || name.starts_with('.') || chapter_of(name).is_some();
    let strangers = names.into_iter().filter(|name| !is_agreed(name));
    strangers.map(|name| format!("{name}: does not belong at the top of the repository")).collect()
}

/// What the repository holds at its top. A file that git does not know is the reader's own and nobody's fault;
/// without git, what lies there counts.
fn top_level_names() -> Vec<String> {
    // The owner of a clone in a container is often someone else, and git would refuse to look.
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
    assert!(faults.is_empty(), "{} against the rules of the house:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn only_the_agreed_names_lie_at_the_top() {
    let names = top_level_names();
    assert!(names.iter().any(|name| name == "Cargo.toml"), "{names:?}");
    assert_none(&top_level_faults(names.iter().map(String::as_str)));
}

#[test]
fn a_stranger_at_the_top_is_found() {
    assert_eq!(
        top_level_faults(["Cargo.toml", ".ci", "target", "chapter-10-hot-reload", "tests"]),
        Vec::<String>::new()
    );
    for name in ["src", "docs", "overview.svg", "chapter-11-more", "chapter-3-x", "chapter-00-zero", "chapter-03"] {
        assert_eq!(top_level_faults([name]).len(), 1, "{name}");
    }
}

/// A workspace to find faults in.
fn some_crates() -> Crates {
    let directories = ["common", "backends", "chapter-02-simple-proxy", "chapter-03-load-balancer", "tests"];
    let names = ["common", "backends", "simple_proxy", "load_balancer", "integration_tests"];
    names.into_iter().zip(directories).map(|(name, at)| (name.to_owned(), at.to_owned())).collect()
}
