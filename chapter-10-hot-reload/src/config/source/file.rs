//! A file's text, with the positions of its lines.

use std::path::{Path, PathBuf};

use super::span::{SourceId, Span};

/// A text and the name it is shown under.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    directory: PathBuf,
    text: String,
    /// The offset of each line's first byte.
    line_starts: Vec<u32>,
}

/// A place as an editor shows it. Both numbers start at 1, and a column is a character, not a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl SourceFile {
    /// A text of less than 4 GiB.
    fn new(path: &Path, text: String) -> Self {
        let behind_newlines = (1..).zip(text.bytes()).filter(|(_, byte)| *byte == b'\n').map(|(next, _)| next);
        let line_starts = std::iter::once(0).chain(behind_newlines).collect();
        let directory = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        Self { name: path.display().to_string(), directory, text, line_starts }
    }

    /// What the file is called in messages: the path as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a relative path in it starts.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The index of the line, from 0, that a byte stands in.
    fn line_index(&self, offset: u32) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    fn position(&self, offset: u32) -> Position {
        let line = self.line_index(offset);
        let before = &self.text[self.line_starts[line] as usize..offset as usize];
        Position { line: line + 1, column: before.chars().count() + 1 }
    }
}

/// All texts of one configuration: the file itself and what it includes.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<SourceFile>);

impl Sources {
    /// Adds a text. A byte order mark at its start is dropped.
    ///
    /// # Panics
    /// There are 2^32 texts already.
    pub fn add(&mut self, path: impl AsRef<Path>, text: &str) -> SourceId {
        let id = SourceId(u32::try_from(self.0.len()).expect("fewer than 2^32 files"));
        self.0.push(SourceFile::new(path.as_ref(), text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()));
        id
    }

    /// One of the texts.
    pub fn get(&self, id: SourceId) -> &SourceFile {
        &self.0[id.0 as usize]
    }

    /// The characters of a range.
    pub fn text(&self, span: Span) -> &str {
        &self.get(span.source).text()[span.start as usize..span.end as usize]
    }

    /// Where a range starts.
    pub fn position(&self, span: Span) -> Position {
        self.get(span.source).position(span.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_1() {
        let mut sources = Sources::default();
        let source = sources.add("lb.json", "\u{feff}{\n  \"ä\": 1\n}");
        let at = |start, end| Span { source, start, end };
        for (span, line, column) in
            [(at(0, 1), 1, 1), (at(4, 8), 2, 3), (at(10, 11), 2, 8), (at(12, 13), 3, 1), (at(13, 13), 3, 2)]
        {
            assert_eq!(sources.position(span), Position { line, column }, "{span:?} {}", sources.text(span));
        }
        assert_eq!(sources.text(at(4, 8)), "\"ä\"");
    }
}
