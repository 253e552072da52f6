//! The shape of a page: fences name their language, a chapter has its sections, pictures are small.

use std::{fs, path::Path};

use pulldown_cmark::HeadingLevel;

use crate::document::Document;

/// The sections of a chapter, in order. `{}` is the number of an earlier chapter.
const SECTIONS: [&str; 13] = [
    "What you will learn",
    "Run it",
    "The problem",
    "Ideas and invariants",
    "What changed since chapter {}",
    "Walk through the code",
    "Measure it",
    "What production systems do",
    "Limits of this version",
    "Exercises",
    "Check yourself",
    "Kernel view",
    "Next",
];
const MAX_PICTURE_BYTES: u64 = 20_000;

/// Fences without a language (rustdoc takes them for Rust), and marks without a block.
pub(crate) fn block_faults(document: &Document) -> Vec<String> {
    let unlabelled = document.fences.iter().filter(|fence| fence.language.is_empty());
    let unlabelled = unlabelled.map(|fence| document.fault(fence.line, "a fence without a language"));
    let strays = document.strays.iter().map(|(line, mark)| document.fault(*line, &format!("`{mark}` marks nothing")));
    let misplaced = document.fences.iter().filter(|fence| fence.mark("results").is_some());
    let misplaced = misplaced.map(|fence| document.fault(fence.line, "results are a table, this is a fence"));
    unlabelled.chain(strays).chain(misplaced).collect()
}

/// The missing and misplaced sections of a chapter's page. Other sections may stand between these.
pub(crate) fn chapter_faults(document: &Document, chapter: u8, has_exercises: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let titles: Vec<_> = document.headings.iter().filter(|heading| heading.level == HeadingLevel::H2).collect();
    let mut from = 0;
    for section in SECTIONS {
        let prefix = section.trim_end_matches("{}");
        let is_it = |title: &str| if prefix == section { title == section } else { title.starts_with(prefix) };
        let found = titles.iter().position(|title| is_it(&title.text));
        let optional = (section == "Exercises" && !has_exercises) || (prefix != section && chapter == 1);
        match found {
            None if optional => {}
            None => faults.push(document.fault(1, &format!("section `{section}` is missing"))),
            Some(at) if at < from => {
                faults.push(document.fault(titles[at].line, &format!("section `{section}` is out of order")));
            }
            Some(at) => from = at + 1,
        }
    }
    let title = document.headings.first().map_or("", |heading| heading.text.as_str());
    if !title.starts_with(&format!("Chapter {chapter}: ")) {
        faults.push(document.fault(1, &format!("the title is `{title}`, not `Chapter {chapter}: …`")));
    }
    if !document.links.iter().any(|link| link.target == "overview.svg") {
        faults.push(document.fault(1, "overview.svg is not shown"));
    }
    if !document.text.contains("<summary>") {
        faults.push(document.fault(1, "no answer is folded (`<details><summary>`)"));
    }
    faults
}

/// Tables of numbers in "Measure it" without a source.
pub(crate) fn measured_faults(document: &Document) -> Vec<String> {
    let Some(section) = document.section("Measure it") else { return Vec::new() };
    let inside = document.tables.iter().filter(|table| section.contains(&table.content.start));
    let unmarked = inside.filter(|table| table.mark("results").is_none());
    unmarked
        .map(|table| document.fault(table.line, "a table of measurements without `<!-- results: path#key -->`"))
        .collect()
}

fn is_picture(target: &str) -> bool {
    !target.contains("://") && Path::new(target).extension().is_some_and(|extension| extension == "svg")
}

/// A picture that is missing, or too large to be hand-written.
pub(crate) fn picture_faults(document: &Document) -> Vec<String> {
    let pictures = document.links.iter().filter(|link| is_picture(&link.target));
    let faulty = pictures.filter_map(|link| match fs::metadata(document.directory().join(&link.target)) {
        Err(error) => Some(document.fault(link.line, &format!("{}: {error}", link.target))),
        Ok(file) if file.len() >= MAX_PICTURE_BYTES => {
            Some(document.fault(link.line, &format!("{} has {} bytes", link.target, file.len())))
        }
        Ok(_) => None,
    });
    faulty.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sections: &[&str]) -> Document {
        let sections: Vec<_> =
            sections.iter().map(|section| format!("## {}\n\n", section.replace("{}", "2"))).collect();
        let sections = sections.concat();
        let text =
            format!("# Chapter 3: T\n\n![p](overview.svg)\n\n<details><summary>A</summary></details>\n\n{sections}");
        Document::parse(Path::new("R.md"), &text)
    }

    #[test]
    fn sections_are_all_there_and_in_order() {
        assert_eq!(chapter_faults(&page(&SECTIONS), 3, true), Vec::<String>::new());
        assert_eq!(chapter_faults(&page(&SECTIONS), 4, true).len(), 1, "another chapter's title");
        for missing in SECTIONS {
            let rest: Vec<_> = SECTIONS.into_iter().filter(|section| *section != missing).collect();
            assert_eq!(chapter_faults(&page(&rest), 3, true).len(), 1, "{missing}");
        }
        let without: Vec<_> = SECTIONS.into_iter().filter(|section| *section != "Exercises").collect();
        assert_eq!(chapter_faults(&page(&without), 3, false).len(), 0);
        let mut swapped = SECTIONS;
        swapped.swap(1, 2);
        assert_eq!(chapter_faults(&page(&swapped), 3, true).len(), 1);
        let bare = Document::parse(Path::new("R.md"), "# Chapter 3: T\n");
        assert_eq!(chapter_faults(&bare, 3, true).len(), SECTIONS.len() + 2, "neither picture nor folded answer");
    }

    #[test]
    fn unlabelled_fences_and_idle_marks_are_found() {
        let faults = |text: &str| block_faults(&Document::parse(Path::new("R.md"), text)).len();
        assert_eq!(faults("```text\na\n```\n"), 0);
        assert_eq!(faults("```\na\n```\n"), 1);
        assert_eq!(faults("<!-- replay -->\n\na paragraph\n"), 1);
        assert_eq!(faults("<!-- results: a#b -->\n```text\na\n```\n"), 1);
    }

    #[test]
    fn measurements_from_nowhere_are_found() {
        let faults = |text: &str| measured_faults(&Document::parse(Path::new("R.md"), text)).len();
        let table = "| a |\n|---|\n| 1 |\n";
        assert_eq!(faults(&format!("## Measure it\n\n{table}\n## Next\n\n{table}")), 1);
        assert_eq!(faults(&format!("## Measure it\n\n<!-- results: r.json#k -->\n{table}")), 0);
    }

    #[test]
    fn large_and_missing_pictures_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("R.md");
        let document = Document::parse(&path, "![p](a.svg)\n");
        assert_eq!(picture_faults(&document).len(), 1, "missing");
        fs::write(directory.path().join("a.svg"), vec![b' '; 20_000]).unwrap();
        assert_eq!(picture_faults(&document).len(), 1, "too large");
        fs::write(directory.path().join("a.svg"), vec![b' '; 19_999]).unwrap();
        assert_eq!(picture_faults(&document).len(), 0);
    }
}
