//! No more than [`ALLOWED`] consecutive lines of code are duplicated.
//!
//! Lines are compared without their indentation, and without blank lines, comments, lone brackets, imports and tests.
//! Exercises and `serve.rs` are exempt: a solution repeats its starting point, and each engine's `serve.rs` the steps
//! of the one before, for a reader to compare.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::{assert_none, members, parse, read, root};

/// The longest run of equal lines that is not reported.
const ALLOWED: usize = 8;

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The lines of the item at the start of `lines`, formatted by rustfmt, with its attributes and comments.
fn item<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let level = lines.first().map_or(0, |line| indentation(line));
    let is_last = |line: &&str| {
        let is_closed = line.ends_with([';', ',', '}']);
        indentation(line) == level && !line.trim().is_empty() && !is_comment(line) && is_closed
    };
    &lines[..lines.iter().position(is_last).map_or(lines.len(), |last| last + 1)]
}

/// The test-only items of a source, each with the index of its first line.
fn test_items<'a, 'b>(lines: &'b [&'a str]) -> Vec<(usize, &'b [&'a str])> {
    let is_marked = |line: &str| ["#[cfg(test)]", "#[cfg(all(test,"].iter().any(|mark| line.starts_with(mark));
    let marked = (0..lines.len()).filter(|at| is_marked(lines[*at].trim_start()));
    marked.map(|at| (at, item(&lines[at..]))).collect()
}

/// A declaration without its visibility.
fn without_visibility(line: &str) -> &str {
    let Some(rest) = line.trim().strip_prefix("pub") else { return line.trim() };
    if rest.starts_with('(') { rest.split_once(')').map_or(rest, |(_, rest)| rest) } else { rest }.trim_start()
}

/// The test-only modules in separate files.
fn test_modules(source: &str) -> Vec<String> {
    let lines: Vec<_> = source.lines().collect();
    let last_lines = test_items(&lines).into_iter().filter_map(|(_, item)| item.last().copied());
    let modules = last_lines.filter_map(|line| without_visibility(line).strip_prefix("mod ")?.strip_suffix(';'));
    modules.map(str::to_owned).collect()
}

/// The lines that are compared, with their numbers.
fn code(source: &str) -> Vec<(usize, &str)> {
    let lines: Vec<_> = source.lines().collect();
    let tests: BTreeSet<_> = test_items(&lines).into_iter().flat_map(|(at, item)| at..at + item.len()).collect();
    let is_import = |line: &&str| without_visibility(line).starts_with("use ") && line.ends_with([';', '{']);
    let imports = (0..lines.len()).filter(|at| is_import(&lines[*at]));
    let imports: BTreeSet<_> = imports.flat_map(|at| at..at + item(&lines[at..]).len()).collect();
    let says_something = |line: &str| !line.chars().all(|letter| "()[]{},;".contains(letter)) && !is_comment(line);
    let numbered = lines.iter().enumerate().filter(|(at, _)| !tests.contains(at) && !imports.contains(at));
    numbered.map(|(at, line)| (at + 1, line.trim())).filter(|(_, line)| says_something(line)).collect()
}

/// The duplicated runs of lines in these files, given by name and text.
fn repeats(files: &[(String, String)]) -> Vec<String> {
    let lines: Vec<_> = files.iter().map(|(_, source)| code(source)).collect();
    let texts: Vec<Vec<_>> = lines.iter().map(|lines| lines.iter().map(|(_, text)| *text).collect()).collect();
    let mut places: HashMap<&[&str], Vec<(usize, usize)>> = HashMap::new();
    let mut faults = Vec::new();
    for (file, text) in texts.iter().enumerate() {
        for (at, run) in text.windows(ALLOWED + 1).enumerate() {
            let earlier = places.entry(run).or_default();
            for &(other, start) in earlier.iter() {
                // Two runs in one file must not overlap.
                let room = if other == file { at - start } else { usize::MAX };
                let equal = texts[other][start..].iter().zip(&text[at..]).take(room);
                let length = equal.take_while(|(one, two)| one == two).count();
                let is_inside_a_longer_one = start > 0 && at > 0 && texts[other][start - 1] == text[at - 1];
                if length > ALLOWED && !is_inside_a_longer_one {
                    let place = |file: usize, at: usize| {
                        let (first, last) = (lines[file][at].0, lines[file][at + length - 1].0);
                        format!("{}:{first}-{last}", files[file].0)
                    };
                    faults.push(format!("{} ~ {}: {length} equal lines", place(other, start), place(file, at)));
                }
            }
            earlier.push((file, at));
        }
    }
    faults
}

/// The Rust files below `directory`, except test-only files and `serve.rs`.
fn compared_files(directory: &Path) -> Vec<PathBuf> {
    let mut open = vec![directory.to_owned()];
    let (mut files, mut tests) = (Vec::new(), Vec::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            if !path.ends_with("tests") {
                open.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let own = path.with_extension("");
            let is_first = ["lib", "main", "mod"].iter().any(|name| own.ends_with(name));
            let below = if is_first { own.parent().map(Path::to_owned).unwrap_or_default() } else { own };
            tests.extend(test_modules(&read(&path)).into_iter().map(|module| below.join(module)));
            files.push(path);
        }
    }
    let is_test = |path: &Path| tests.iter().any(|test| path.starts_with(test) || path.with_extension("") == *test);
    files.retain(|path| !path.ends_with("serve.rs") && !is_test(path));
    files.sort();
    files
}

#[test]
fn no_code_stands_twice() {
    let workspace = read(&root().join("Cargo.toml"));
    let members = members(&parse(&workspace));
    let compared = members.iter().filter(|member| !member.ends_with("exercises"));
    let directories = compared.flat_map(|member| ["src", "examples"].map(|below| root().join(member).join(below)));
    let files: Vec<_> = directories.flat_map(|directory| compared_files(&directory)).collect();
    assert!(files.len() > 300, "{} files", files.len());
    let name = |path: &Path| path.strip_prefix(root()).unwrap_or(path).display().to_string();
    assert_none(&repeats(&files.iter().map(|path| (name(path), read(path))).collect::<Vec<_>>()));
}

/// `count` different lines of code.
fn statements(count: usize) -> String {
    (0..count).fold(String::new(), |lines, number| lines + &format!("    let x{number} = f({number});\n"))
}

/// The duplicates in two files with these texts.
fn repeats_in(one: &str, two: &str) -> Vec<String> {
    repeats(&[("one.rs".to_owned(), one.to_owned()), ("two.rs".to_owned(), two.to_owned())])
}

#[test]
fn a_run_that_stands_twice_is_found() {
    let (nine, eight) = (statements(9), statements(8));
    let one = format!("fn one() {{\n{nine}    one()\n}}\n");
    let two = format!("fn two() {{\n    before();\n{}}}\n", nine.replace("    let", "\n    // why\n  let"));
    assert_eq!(repeats_in(&one, &two), ["one.rs:2-10 ~ two.rs:5-29: 9 equal lines"]);
    let twice = format!("fn one() {{\n{nine}}}\n\nfn two() {{\n{nine}}}\n");
    assert_eq!(repeats_in(&twice, ""), ["one.rs:2-10 ~ one.rs:14-22: 9 equal lines"]);
    assert_eq!(repeats_in(&twice, &one).len(), 3, "each place with each other");
    assert_eq!(repeats_in(&statements(20), &statements(20)), ["one.rs:1-20 ~ two.rs:1-20: 20 equal lines"]);
    assert_eq!(repeats_in(&"    0,\n".repeat(18), ""), ["one.rs:1-9 ~ one.rs:10-18: 9 equal lines"]);
    let tested = format!("#[cfg(test)]\nmod tests;\n\nfn one() {{\n{nine}}}\n");
    assert_eq!(repeats_in(&tested, &nine).len(), 1, "what follows a test counts");

    let two = format!("fn two() {{\n{eight}    two()\n}}\n");
    assert_eq!(repeats_in(&one, &two), Vec::<String>::new());
    let with_brackets = eight.replace(";\n", ";\n    }\n    ]);\n");
    assert_eq!(repeats_in(&with_brackets, &with_brackets), Vec::<String>::new());
}

#[test]
fn imports_comments_and_tests_may_stand_twice() {
    let nine = statements(9);
    let inside = nine.replace("    ", "        ");
    for source in [
        "use a::b;\n".repeat(12),
        "pub use a::{\n    b,\n    c,\n    d,\n};\npub(crate) use e;\n".repeat(3),
        nine.replace("    let", "    // let"),
        nine.replace("    let", "//! let"),
        "    }\n    );\n    ],\n\n".repeat(9),
        format!("#[cfg(test)]\nmod tests {{\n    #[test]\n    fn one() {{\n{inside}    }}\n}}\n"),
        format!(
            "impl One {{\n    #[cfg(test)]\n    /// Ends;\n    fn one(\n        x: u8,\n    ) {{\n{inside}    }}\n}}\n"
        ),
        format!("#[cfg(all(test, target_os = \"linux\"))]\n#[expect(dead_code)]\nfn one() {{\n{nine}}}\n"),
    ] {
        assert_eq!(repeats_in(&source, &source), Vec::<String>::new(), "{source}");
    }
    let declared = "#[cfg(test)]\nmod tests;\nmod a;\n#[cfg(test)]\n#[expect(x)]\npub(crate) mod b;\nmod c;\n";
    assert_eq!(test_modules(declared), ["tests", "b"]);
}

#[test]
fn files_of_tests_and_what_is_repeated_on_purpose_are_not_compared() {
    let src = tempfile::tempdir().expect("a directory is made");
    for (name, source) in [
        ("lib.rs", "mod a;\n#[cfg(test)]\nmod probe;\n"),
        ("probe.rs", ""),
        ("a.rs", "mod serve;\nmod b;\n#[cfg(test)]\nmod tests;\n"),
        ("a/serve.rs", ""),
        ("a/tests.rs", "mod more;\n"),
        ("a/tests/more.rs", ""),
        ("a/b/mod.rs", "#[cfg(test)]\nmod probe;\nmod c;\n"),
        ("a/b/probe.rs", "mod below;\n"),
        ("a/b/probe/below.rs", ""),
        ("a/b/c.rs", ""),
        ("a/b/notes.md", ""),
    ] {
        let file = src.path().join(name);
        fs::create_dir_all(file.parent().expect("a file has a directory")).expect("a directory is made");
        fs::write(file, source).expect("a file is written");
    }
    let compared = ["a/b/c.rs", "a/b/mod.rs", "a.rs", "lib.rs"].map(|name| src.path().join(name));
    assert_eq!(compared_files(src.path()), compared);
}
