//! The glossary: each term once, in alphabetical order, with the chapter that teaches it.

use std::{fs, path::Path};

use crate::document::Document;

/// The faults of the rows `| term | meaning | where |`.
pub(crate) fn faults(document: &Document) -> Vec<String> {
    let mut faults = Vec::new();
    let mut before = String::new();
    for table in &document.tables {
        for (row, line) in document.content(table).lines().enumerate().skip(2) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let fault = |what: &str| document.fault(table.line + row, what);
            let [term, meaning, place] = cells[..] else {
                faults.push(fault("expected three cells: term, meaning, where it is taught"));
                continue;
            };
            let term = term.to_lowercase();
            if term <= before {
                faults.push(fault(&format!("`{term}` stands after `{before}`: each term once, in order")));
            }
            if meaning.is_empty() || !(place.contains("chapter") || place.contains("README")) {
                faults.push(fault(&format!("`{term}` lacks its meaning or the chapter that teaches it")));
            }
            before = term;
        }
    }
    if before.is_empty() {
        faults.push(document.fault(1, "no terms"));
    }
    faults
}

/// Whether a page links to the glossary.
pub(crate) fn is_linked_from(readme: &Path) -> bool {
    fs::read_to_string(readme).is_ok_and(|text| text.contains("common/GLOSSARY.md"))
}

#[test]
fn repeated_misplaced_and_unexplained_terms_are_found() {
    let faults = |rows: &str| {
        let page = format!("| term | meaning | taught in |\n|---|---|---|\n{rows}");
        faults(&Document::parse(Path::new("G.md"), &page)).len()
    };
    assert_eq!(faults("| a | b. | chapter 2 |\n| B | c. | chapter 3 |\n"), 0);
    assert_eq!(faults("| a | b. | chapter 2 |\n| A | c. | chapter 3 |\n"), 1, "twice");
    assert_eq!(faults("| b | b. | chapter 2 |\n| a | c. | chapter 3 |\n"), 1, "order");
    assert_eq!(faults("| a | b. | somewhere |\n"), 1);
    assert_eq!(faults("| a | b. |\n"), 2, "an empty third cell is none");
    assert_eq!(faults(""), 1);
}
