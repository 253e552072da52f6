//! Rules for a crate's manifest: its lints are the workspace's, its dependencies are declared in the root, and it
//! depends on no crate that it must not use.

use toml_edit::{Item, TableLike};

use crate::{Crates, assert_none, chapter_of, is_forbidden, members, our_crates, parse, read, root};

/// Every dependency table: of the crate, its tests, its build script and each platform.
fn dependency_tables(manifest: &dyn TableLike) -> Vec<&dyn TableLike> {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let own = sections.iter().filter_map(|section| manifest.get(section)?.as_table_like());
    let platforms = manifest.get("target").and_then(|target| target.as_table_like());
    let of_platforms = platforms.into_iter().flat_map(TableLike::iter);
    own.chain(of_platforms.filter_map(|(_, table)| table.as_table_like()).flat_map(dependency_tables)).collect()
}

fn is_true(item: Option<&Item>) -> bool {
    item.and_then(Item::as_bool).unwrap_or(false)
}

/// The violations in the manifest of the crate in `directory`.
fn manifest_faults(directory: &str, text: &str, crates: &Crates) -> Vec<String> {
    let manifest = parse(text);
    let mut faults = Vec::new();
    if !is_true(manifest.get("lints").and_then(|lints| lints.get("workspace"))) {
        faults.push(format!("{directory}: `[lints] workspace = true` is missing"));
    }
    if chapter_of(directory).is_some() && manifest.get("features").is_some() {
        faults.push(format!("{directory}: has its own features; a feature hides code from a reader"));
    }
    for (name, how) in dependency_tables(manifest.as_table()).into_iter().flat_map(TableLike::iter) {
        let features = ["features", "default-features"].iter().any(|key| how.get(key).is_some());
        if !is_true(how.get("workspace")) || features {
            faults.push(format!("{directory}: declare version and features of {name} in the root Cargo.toml"));
        }
        if crates.get(&name.replace('-', "_")).is_some_and(|used| is_forbidden(directory, used)) {
            faults.push(format!("{directory}: must not depend on {name}"));
        }
    }
    faults
}

#[test]
fn every_manifest_keeps_the_rules() {
    let workspace = read(&root().join("Cargo.toml"));
    let workspace = parse(&workspace);
    let (crates, members) = (our_crates(&workspace), members(&workspace));
    assert!(members.iter().any(|member| member == "common"), "{members:?}");
    let manifest = |member: &String| read(&root().join(member).join("Cargo.toml"));
    let faults: Vec<_> =
        members.iter().flat_map(|member| manifest_faults(member, &manifest(member), &crates)).collect();
    assert_none(&faults);
}

#[test]
fn a_bad_manifest_is_found() {
    const GOOD: &str = "[lints]\nworkspace = true\n[dependencies]\nclap.workspace = true\n";
    let faults = |directory: &str, text: &str| manifest_faults(directory, text, &crate::some_crates()).len();
    for (directory, more) in [
        ("chapter-02-simple-proxy", "backends = { workspace = true }\ncommon.workspace = true"),
        ("chapter-03-load-balancer", "simple_proxy.workspace = true"),
        ("backends", "common.workspace = true"),
    ] {
        assert_eq!(faults(directory, &format!("{GOOD}{more}")), 0, "{directory} {more}");
    }
    for (directory, more) in [
        ("chapter-02-simple-proxy", "load_balancer.workspace = true"),
        ("chapter-02-simple-proxy", "[dev-dependencies]\nload_balancer.workspace = true"),
        ("chapter-02-simple-proxy", "[target.'cfg(unix)'.dependencies]\nload_balancer.workspace = true"),
        ("chapter-02-simple-proxy", "[dependencies.load_balancer]\nworkspace = true"),
        ("chapter-02-simple-proxy", "[features]\nfast = []"),
        ("common", "simple_proxy.workspace = true"),
        ("common", "backends.workspace = true"),
        ("common", "memchr = { workspace = true, features = [\"std\"] }"),
        ("common", "memchr = { workspace = true, default-features = false }"),
        ("common", "memchr = \"2\""),
        ("tests", "common = { path = \"../common\" }"),
    ] {
        assert_eq!(faults(directory, &format!("{GOOD}{more}")), 1, "{directory} {more}");
    }
    assert_eq!(faults("common", ""), 1, "no lints");
    assert_eq!(faults("common", "[lints]\nworkspace = false"), 1, "lints switched off");
}
