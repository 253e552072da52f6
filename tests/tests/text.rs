//! The text of the course, checked against the code: excerpts, results, commands, links and the shape of the pages.
//!
//! Each rule is a function from a page to faults, and has a test that shows it find some.
//! `UPDATE_EXCERPTS=1 cargo test -p integration-tests --test text` rewrites excerpts and tables of results.
#![allow(clippy::print_stderr, reason = "skipped blocks are reported")]

use std::{
    fs,
    path::{Path, PathBuf},
};

#[path = "text/alike.rs"]
mod alike;
#[path = "text/commands.rs"]
mod commands;
#[path = "text/document.rs"]
mod document;
#[path = "text/excerpts.rs"]
mod excerpts;
#[path = "text/glossary.rs"]
mod glossary;
#[path = "text/links.rs"]
mod links;
#[path = "text/programs.rs"]
mod programs;
#[path = "text/replay.rs"]
mod replay;
#[path = "text/shape.rs"]
mod shape;

use document::Document;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace").to_owned()
}

/// The directories of the chapters, with their numbers.
fn chapters() -> Vec<(u8, PathBuf)> {
    let entries = fs::read_dir(root()).expect("the workspace can be listed").flatten();
    let chapter = |path: PathBuf| {
        let number = path.file_name()?.to_str()?.strip_prefix("chapter-")?.get(..2)?.parse().ok()?;
        Some((number, path))
    };
    let mut chapters: Vec<_> = entries.filter_map(|entry| chapter(entry.path())).collect();
    chapters.sort();
    assert!(!chapters.is_empty(), "there are chapters");
    chapters
}

/// The README of each chapter that has one.
fn chapter_pages() -> Vec<(u8, Document)> {
    let pages = chapters().into_iter().map(|(number, path)| (number, path.join("README.md")));
    pages.filter(|(_, path)| path.exists()).map(|(number, path)| (number, Document::read(&path))).collect()
}

/// Every page of the course.
fn pages() -> Vec<Document> {
    let others = ["README.md", "common/README.md", "common/GLOSSARY.md", "backends/README.md"];
    let others = others.into_iter().map(|path| Document::read(&root().join(path)));
    others.chain(chapter_pages().into_iter().map(|(_, page)| page)).chain(part_pages()).collect()
}

/// The parts of the chapters that are too long for one page.
fn part_pages() -> Vec<Document> {
    let parts = |chapter: PathBuf| fs::read_dir(chapter.join("parts")).into_iter().flatten().flatten();
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let page = |entry: fs::DirEntry| Some(entry.path()).filter(is_page);
    let mut pages: Vec<_> = chapters().into_iter().flat_map(|(_, path)| parts(path)).filter_map(page).collect();
    pages.sort();
    pages.iter().map(|path| Document::read(path)).collect()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} to fix:\n{}", faults.len(), faults.join("\n"));
}

fn assert_pages(faults: fn(&Document) -> Vec<String>) {
    assert_none(&pages().iter().flat_map(faults).collect::<Vec<_>>());
}

#[test]
fn excerpts_and_results_are_those_of_their_sources() {
    if std::env::var_os("UPDATE_EXCERPTS").is_some() {
        for page in pages() {
            let text = excerpts::updated(&page);
            if text != page.text {
                fs::write(&page.path, text).unwrap_or_else(|error| panic!("{}: {error}", page.path.display()));
            }
        }
    }
    assert_pages(excerpts::faults);
}

#[test]
fn fences_say_what_they_hold_and_marks_mark_something() {
    assert_pages(shape::block_faults);
}

#[test]
fn chapters_have_the_sections_of_a_chapter() {
    let of = |(number, page): &(u8, Document)| {
        let has_exercises = page.directory().join("exercises").exists();
        let mut faults = shape::chapter_faults(page, *number, has_exercises);
        faults.extend(shape::measured_faults(page));
        faults
    };
    assert_none(&chapter_pages().iter().flat_map(of).collect::<Vec<_>>());
}

/// A part without a link to it would never be read.
#[test]
fn parts_are_linked_from_their_chapters_page() {
    let chapters = chapter_pages();
    let is_linked = |part: &Document| {
        let links = chapters.iter().flat_map(|(_, page)| page.links.iter().map(move |link| (page.directory(), link)));
        links.map(|(directory, link)| directory.join(&link.target)).any(|target| target == part.path)
    };
    let strays = part_pages().into_iter().filter(|part| !is_linked(part));
    assert_none(&strays.map(|part| part.fault(1, "no chapter's README leads here")).collect::<Vec<_>>());
}

#[test]
fn every_chapter_has_a_page() {
    let without = chapters().into_iter().filter(|(_, path)| !path.join("README.md").exists());
    assert_none(&without.map(|(_, path)| format!("{} has no README.md", path.display())).collect::<Vec<_>>());
}

#[test]
fn pictures_are_there_and_small() {
    assert_pages(shape::picture_faults);
}

#[test]
fn links_within_the_repository_lead_somewhere() {
    assert_pages(links::faults);
}

#[test]
fn commands_name_what_exists() {
    assert_pages(commands::faults);
}

#[test]
fn marked_console_blocks_print_what_the_pages_show() {
    assert_pages(replay::faults);
}

#[test]
fn the_glossary_has_each_term_once_and_is_linked() {
    assert_none(&glossary::faults(&Document::read(&root().join("common/GLOSSARY.md"))));
    assert!(glossary::is_linked_from(&root().join("README.md")), "README.md does not lead to the glossary");
}
