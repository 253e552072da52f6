//! Links inside the repository: the file and the heading exist.

use std::path::Path;

use crate::document::Document;

pub(crate) fn faults(document: &Document) -> Vec<String> {
    let relative = document.links.iter().filter(|link| !is_elsewhere(&link.target));
    let why = relative.filter_map(|link| Some((link, broken(document, &link.target)?)));
    why.map(|(link, why)| document.fault(link.line, &format!("{}: {why}", link.target))).collect()
}

/// External pages, which a test must not depend on, and rustdoc's own paths.
fn is_elsewhere(target: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

fn broken(document: &Document, target: &str) -> Option<&'static str> {
    let (file, heading) = target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let path = document.directory().join(file);
    if !file.is_empty() && !path.exists() {
        return Some("no such file");
    }
    let heading = heading?;
    let has = |document: &Document| document.headings.iter().any(|known| known.slug == heading);
    let is_markdown = Path::new(file).extension().is_some_and(|extension| extension == "md");
    let found = if file.is_empty() { has(document) } else { is_markdown && has(&Document::read(&path)) };
    (!found).then_some("no such heading")
}

#[test]
fn broken_links_are_found() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("b.md"), "# One two\n").unwrap();
    let path = directory.path().join("a.md");
    let faults = |target: &str| faults(&Document::parse(&path, &format!("# Top\n\n[x]({target})\n"))).len();
    for good in ["b.md", "b.md#one-two", "#top", "https://example.org/none#x"] {
        assert_eq!(faults(good), 0, "{good}");
    }
    for bad in ["c.md", "b.md#one-three", "#bottom", "../none/b.md"] {
        assert_eq!(faults(bad), 1, "{bad}");
    }
}
