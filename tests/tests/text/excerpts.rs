//! Excerpts and tables of results: the page must show exactly what the sources contain.
//!
//! `<!-- excerpt: src/file.rs#name -->` before a fence, and `// ANCHOR: name` to `// ANCHOR_END: name` in the file (`#` in
//! place of `//` in YAML).
//! `<!-- results: ../tests/results/file.json#key -->` before a table, and in the file under `key` the `command` that
//! measures, the `columns` and the `rows`. `UPDATE_EXCERPTS=1` writes both into the page instead of comparing.

use std::{fs, ops::Range, path::Path};

use serde_json::Value;

use crate::document::{Block, Document};

/// How a comment begins that may be an anchor: in Rust, and in YAML.
const COMMENTS: [&str; 2] = ["//", "#"];

/// The text on the page, and the text that it should be.
#[derive(Debug)]
pub(crate) struct Shown {
    line: usize,
    mark: String,
    content: Range<usize>,
    expected: Result<String, String>,
}

/// Every marked fence and table of a page.
pub(crate) fn shown(document: &Document) -> Vec<Shown> {
    let excerpt = |block: &Block| {
        let mark = block.mark("excerpt")?.to_owned();
        let expected = look_up(document.directory(), &mark, |source, name| {
            region(source, name).ok_or_else(|| format!("no region `ANCHOR: {name}`"))
        });
        Some(Shown { line: block.line, mark, content: block.content.clone(), expected })
    };
    let results = |block: &Block| {
        let mark = block.mark("results")?.to_owned();
        let expected = look_up(document.directory(), &mark, |source, key| table(source, key, &document.text));
        Some(Shown { line: block.line, mark, content: block.content.clone(), expected })
    };
    let fences = document.fences.iter().filter_map(excerpt);
    fences.chain(document.tables.iter().filter_map(results)).collect()
}

/// The blocks that differ from their source.
pub(crate) fn faults(document: &Document) -> Vec<String> {
    let of = |shown: Shown| match shown.expected {
        Err(why) => Some(document.fault(shown.line, &format!("{}: {why}", shown.mark))),
        Ok(expected) if expected == document.text[shown.content] => None,
        Ok(_) => {
            let what =
                format!("differs from {}; UPDATE_EXCERPTS=1 cargo test -p integration-tests --test text", shown.mark);
            Some(document.fault(shown.line, &what))
        }
    };
    shown(document).into_iter().filter_map(of).collect()
}

/// The page with every marked block replaced by its source; blocks without a source stay.
pub(crate) fn updated(document: &Document) -> String {
    let mut blocks = shown(document);
    blocks.sort_by_key(|block| std::cmp::Reverse(block.content.start));
    let mut text = document.text.clone();
    for block in blocks {
        if let Ok(expected) = block.expected {
            text.replace_range(block.content, &expected);
        }
    }
    text
}

fn look_up(
    directory: &Path,
    mark: &str,
    find: impl Fn(&str, &str) -> Result<String, String>,
) -> Result<String, String> {
    let (file, name) = mark.split_once('#').ok_or("expected `path#name`")?;
    let source = fs::read_to_string(directory.join(file)).map_err(|error| error.to_string())?;
    find(&source, name)
}

/// The dedented lines between the two anchors, without the anchors of other regions.
fn region(source: &str, name: &str) -> Option<String> {
    let is =
        |line: &str, anchor: &str| COMMENTS.iter().any(|comment| line.trim() == format!("{comment} {anchor}: {name}"));
    let mut lines = source.lines().skip_while(|line| !is(line, "ANCHOR"));
    lines.next()?;
    let rest: Vec<&str> = lines.collect();
    let end = rest.iter().position(|line| is(line, "ANCHOR_END"))?;
    let is_anchor = |line: &str| {
        let comment = COMMENTS.iter().find_map(|comment| line.trim_start().strip_prefix(comment));
        comment.is_some_and(|text| [" ANCHOR: ", " ANCHOR_END: "].iter().any(|anchor| text.starts_with(anchor)))
    };
    let lines: Vec<&str> = rest[..end].iter().copied().filter(|line| !is_anchor(line)).collect();
    let indents = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
    let indent = indents.min()?;
    Some(lines.iter().flat_map(|line| [line.get(indent..).unwrap_or(""), "\n"]).collect())
}

/// The rows under `key` as a Markdown table. The page must show the command that measures them.
fn table(source: &str, key: &str, page: &str) -> Result<String, String> {
    let file: Value = serde_json::from_str(source).map_err(|error| error.to_string())?;
    let entry = file.get(key).ok_or_else(|| format!("no entry `{key}`"))?;
    let command = entry["command"].as_str().ok_or("the entry names no `command`")?;
    if !page.contains(command) {
        return Err(format!("the page does not show the command that measures it: {command}"));
    }
    let columns = cells(&entry["columns"]).ok_or("`columns` is no list of strings")?;
    let rows = entry["rows"].as_array().ok_or("`rows` is no list")?;
    let mut lines = vec![format!("| {} |", columns.join(" | ")), format!("|{}", "---|".repeat(columns.len()))];
    for row in rows {
        let row = cells(row).filter(|row| row.len() == columns.len()).ok_or("a row does not fit the columns")?;
        lines.push(format!("| {} |", row.join(" | ")));
    }
    Ok(lines.join("\n"))
}

fn cells(row: &Value) -> Option<Vec<&str>> {
    row.as_array()?.iter().map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "mod a {\n    // ANCHOR: f\n    fn f() {\n        // ANCHOR: g\n        g();\n        // ANCHOR_END: g\n\n    }\n    \
                          // ANCHOR_END: f\n}\n";
    const RESULTS: &str = r#"{"picks": {"command": "cargo bench", "columns": ["a", "b"], "rows": [["1 ns", "2"]]}}"#;

    #[test]
    fn regions_are_dedented_and_may_nest() {
        assert_eq!(region(SOURCE, "f").unwrap(), "fn f() {\n    g();\n\n}\n");
        assert_eq!(region(SOURCE, "g").unwrap(), "g();\n");
        assert_eq!(region(SOURCE, "h"), None);
        assert_eq!(region("// ANCHOR: f\nfn f() {}\n", "f"), None, "it does not end");
        let yaml = "a:\n  # ANCHOR: f\n  # why\n  - b\n  # ANCHOR_END: f\n  - c\n";
        assert_eq!(region(yaml, "f").unwrap(), "# why\n- b\n");
    }

    #[test]
    fn tables_are_made_of_results_with_their_command() {
        assert_eq!(table(RESULTS, "picks", "$ cargo bench").unwrap(), "| a | b |\n|---|---|\n| 1 ns | 2 |");
        assert!(table(RESULTS, "picks", "no command").is_err());
        assert!(table(RESULTS, "other", "cargo bench").is_err());
        assert!(table(&RESULTS.replace(r#", "2""#, ""), "picks", "cargo bench").is_err(), "a cell is missing");
    }

    #[test]
    fn a_page_that_drifted_is_found_and_fixed() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f.rs"), SOURCE).unwrap();
        fs::write(directory.path().join("r.json"), RESULTS).unwrap();
        let page = "$ cargo bench\n\n<!-- excerpt: f.rs#g -->\n```rust\nold();\n```\n\n<!-- results: r.json#picks -->\n\
                    | a |\n|---|\n| 1 |\n\n<!-- excerpt: f.rs#none -->\n```rust\nkept\n```\n";
        let path = directory.path().join("README.md");
        let document = Document::parse(&path, page);
        assert_eq!(faults(&document).len(), 3);
        let mended = Document::parse(&path, &updated(&document));
        assert!(
            mended.text.contains("```rust\ng();\n```") && mended.text.contains("| 1 ns | 2 |\n"),
            "{}",
            mended.text
        );
        assert!(mended.text.contains("kept"), "{}", mended.text);
        assert_eq!(faults(&mended).len(), 1, "only the one without a source is left");
    }
}
