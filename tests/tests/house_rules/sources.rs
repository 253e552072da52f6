//! Rules for a library's sources. Cargo lets the whole package use dependencies that only its programs and tests should
//! use, so these files are read.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Crates, assert_none, chapter_of, is_forbidden, members, our_crates, parse, read, root};

/// Whether a name after `before` begins a path, rather than continuing one or following a value.
fn begins_a_path(before: &str) -> bool {
    let is_part = |end: char| end.is_alphanumeric() || "_>".contains(end);
    if let Some(prefix) = before.strip_suffix("::") {
        return !prefix.ends_with(is_part);
    }
    let mut closed = 0;
    for (at, brace) in before.char_indices().rev().filter(|(_, letter)| "{}".contains(*letter)) {
        match (brace, closed) {
            ('}', _) => closed += 1,
            ('{', 0) => return !before[..at].ends_with("::"), // `use crate::{here`, but not `use {here`
            _ => closed -= 1,
        }
    }
    !before.ends_with('.')
}

/// Whether the code of a library, without comments and unit tests, uses the crate called `name`.
fn uses_crate(source: &str, name: &str) -> bool {
    // Clippy's `items_after_test_module` guarantees that no code follows the tests.
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    let code = lines.collect::<Vec<_>>().join(" ");
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        let before = before.trim_end();
        let last_word = before.rsplit(|letter| !is_word(letter)).next();
        let is_imported = ["use", "crate"].iter().any(|keyword| last_word == Some(keyword));
        is_whole && begins_a_path(before) && (is_imported || after.trim_start().starts_with("::"))
    })
}

/// The violations in a source file of the library in `directory`.
fn source_faults(directory: &str, file: &str, source: &str, crates: &Crates) -> Vec<String> {
    let is_library = directory == "common" || chapter_of(directory).is_some();
    let forbidden = |used: &str| is_forbidden(directory, used) || (is_library && used == "backends");
    let named = crates.iter().filter(|(name, used)| forbidden(used) && uses_crate(source, name));
    named.map(|(name, _)| format!("{file}: a library here must not use {name}")).collect()
}

/// The source files below `directory`, except `main.rs` and `bin/`.
fn library_files(src: &Path) -> Vec<PathBuf> {
    let mut open = vec![src.to_owned()];
    let mut files = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.expect("a directory can be listed").path();
            if path.is_dir() && path != src.join("bin") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && path != src.join("main.rs") {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn no_library_names_a_crate_it_must_not_know() {
    let workspace = read(&root().join("Cargo.toml"));
    let workspace = parse(&workspace);
    let crates = our_crates(&workspace);
    let mut faults = Vec::new();
    for member in members(&workspace) {
        let files = library_files(&root().join(&member).join("src"));
        assert!(!files.is_empty(), "{member} has no library");
        for file in files {
            faults.extend(source_faults(&member, &file.to_string_lossy(), &read(&file), &crates));
        }
    }
    assert_none(&faults);
}

#[test]
fn a_bad_source_is_found() {
    let faults =
        |directory: &str, source: &str| source_faults(directory, "lib.rs", source, &crate::some_crates()).len();
    for source in [
        "use backends::BundledBackends;",
        "pub use backends;",
        "extern crate backends;",
        "use {\n    common::net,\n    backends::BundledBackends,\n};",
        "let bundled_backends = ::backends::start_bundled(3, 0);",
        "mod a { use crate::b; } fn f() { backends::start_bundled(3, 0) }",
        "#[cfg(test)]\nfn helper() { backends::start_bundled(3, 0) }",
    ] {
        assert_eq!(faults("chapter-03-load-balancer", source), 1, "{source}");
        assert_eq!(faults("common", source), 1, "{source}");
        assert_eq!(faults("tests", source), 0, "{source}");
    }
    for source in [
        "//! [`backends::BundledBackends`] is for programs.",
        "let backends = a.backends as usize;",
        "use crate::backends::Row;",
        "use crate::{\n    a::{b, c},\n    backends::Row,\n};",
        "self.backends::<u8>();",
        "old_backends::start();",
        "fn f() {}\n#[cfg(test)]\nmod tests {\n    use backends::BundledBackends;\n}",
    ] {
        assert_eq!(faults("chapter-03-load-balancer", source), 0, "{source}");
    }
    assert_eq!(faults("chapter-02-simple-proxy", "load_balancer::run();"), 1);
    assert_eq!(faults("chapter-03-load-balancer", "simple_proxy::run();"), 0);
    assert_eq!(faults("common", "use simple_proxy::Config;"), 1);
}
