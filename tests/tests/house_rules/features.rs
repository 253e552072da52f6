//! One set of features: `cargo run -p` builds a dependency with the same features as `--workspace`.
//!
//! Cargo unifies the features that all packages of a build request. So if a test's dependency requests more than a
//! program's, the program and everything below it is built twice, once per kind of command, and a reader waits twice.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::{assert_none, members, parse, read, root};

/// The format of cargo's output for each package of a build: name and version, a bar, features.
const FORMAT: &str = "{p}|{f}";
/// The platform to resolve for, wherever this runs: on others a dependency may request other features.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The features with which each package is built. There may be two sets: one for build scripts, one for programs.
type Features = BTreeMap<String, BTreeSet<String>>;

/// Cargo's resolution for a build of `packages`, with or without their test dependencies.
fn resolve(packages: &[&str], with_tests: bool) -> Features {
    let edges = if with_tests { "normal,build,dev" } else { "normal,build" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--offline", "--locked", "--target", TARGET, "--edges", edges]);
    let output = command
        .args(["--prefix", "none", "--format", FORMAT])
        .args(packages)
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    features(&String::from_utf8_lossy(&output.stdout))
}

fn features(tree: &str) -> Features {
    let mut features = Features::new();
    for line in tree.lines() {
        let Some((package, sets)) = line.trim_end_matches(" (*)").split_once('|') else { continue };
        features.entry(package.to_owned()).or_default().insert(sets.to_owned());
    }
    features
}

/// The packages that the build of `who` builds differently than the build of the workspace.
fn faults(who: &str, alone: &Features, all: &Features) -> Vec<String> {
    let nowhere = BTreeSet::new();
    let compared = alone.iter().map(|(package, sets)| (package, sets, all.get(package).unwrap_or(&nowhere)));
    let differing = compared.filter(|(_, alone, all)| !alone.is_subset(all));
    let told = differing.map(|(package, alone, all)| {
        format!("{who}: builds {package} with {alone:?}, and --workspace with {all:?}: declare the union in Cargo.toml")
    });
    told.collect()
}

#[test]
fn each_package_alone_has_the_features_of_the_workspace_build() {
    let workspace = read(&root().join("Cargo.toml"));
    let all = resolve(&["--workspace"], true);
    assert!(all.len() > 100, "{all:?}");
    let mut found = Vec::new();
    for directory in members(&parse(&workspace)) {
        let manifest = read(&root().join(&directory).join("Cargo.toml"));
        let name = parse(&manifest)["package"]["name"].as_str().expect("a package has a name").to_owned();
        // Exercise packages only have tests.
        let kinds: &[bool] = if directory.ends_with("exercises") { &[true] } else { &[false, true] };
        for &with_tests in kinds {
            let who = if with_tests { format!("cargo test -p {name}") } else { format!("cargo run -p {name}") };
            found.extend(faults(&who, &resolve(&["-p", &name], with_tests), &all));
        }
    }
    assert_none(&found);
}

#[test]
fn a_feature_that_only_a_test_switches_on_is_found() {
    let all = features("ours v0.1.0 (/w)|\nclap v4.6.0|color,std\nlog v0.4.0|std (*)\nlog v0.4.0|");
    assert_eq!(faults("one", &features("log v0.4.0|\nclap v4.6.0|color,std"), &all), Vec::<String>::new());
    let found = faults("one", &features("clap v4.6.0|std\nlog v0.4.0|std"), &all);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("one: builds clap v4.6.0 with"), "{found:?}");
    assert_eq!(faults("one", &features("new v1.0.0|"), &all).len(), 1);
}
