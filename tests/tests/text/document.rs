//! A Markdown file as the checks need it: its fences, headings, links, tables, and the comments that mark them.

use std::{
    collections::HashMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A file of the course, parsed once.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) fences: Vec<Block>,
    pub(crate) tables: Vec<Block>,
    pub(crate) headings: Vec<Heading>,
    pub(crate) links: Vec<Link>,
    /// Comments that look like marks but precede neither a fence nor a table.
    pub(crate) strays: Vec<(usize, String)>,
}

/// A fence or a table.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) line: usize,
    /// The language of a fence; empty for a table.
    pub(crate) language: String,
    /// The range of its content: between the fences, or the whole table.
    pub(crate) content: Range<usize>,
    /// The comments directly before it: `excerpt: src/lib.rs#name`.
    pub(crate) marks: Vec<String>,
}

impl Block {
    /// The text after `kind:` in the mark of that kind.
    pub(crate) fn mark(&self, kind: &str) -> Option<&str> {
        self.marks.iter().find_map(|mark| mark.strip_prefix(kind)?.strip_prefix(':').map(str::trim))
    }
}

#[derive(Debug)]
pub(crate) struct Heading {
    pub(crate) line: usize,
    pub(crate) level: HeadingLevel,
    pub(crate) text: String,
    pub(crate) slug: String,
    pub(crate) start: usize,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

const MARKS: [&str; 3] = ["excerpt", "results", "replay"];

impl Document {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(path, &text)
    }

    pub(crate) fn parse(path: &Path, text: &str) -> Self {
        let mut document = Self { path: path.to_owned(), text: text.to_owned(), ..Self::default() };
        let mut reading = Reading::default();
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            reading.event(&mut document, &event, range);
        }
        reading.no_block_follows(&mut document);
        document
    }

    /// `path:line: what`, which terminals make clickable.
    pub(crate) fn fault(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path.display())
    }

    pub(crate) fn content(&self, block: &Block) -> &str {
        &self.text[block.content.clone()]
    }

    /// The directory to which this file's links are relative.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().expect("a file has a directory")
    }

    /// The text of the section with the heading `title`, up to the next heading of its level.
    pub(crate) fn section(&self, title: &str) -> Option<Range<usize>> {
        let at = self.headings.iter().position(|heading| heading.text == title)?;
        let level = self.headings[at].level;
        let end = self.headings[at + 1..].iter().find(|heading| heading.level <= level);
        Some(self.headings[at].start..end.map_or(self.text.len(), |heading| heading.start))
    }

    fn line(&self, offset: usize) -> usize {
        self.text[..offset].lines().count() + usize::from(self.text[..offset].ends_with('\n') || offset == 0)
    }
}

/// The parser's state between events.
#[derive(Debug, Default)]
struct Reading {
    marks: Vec<(usize, String)>,
    heading: Option<String>,
    slugs: HashMap<String, usize>,
}

impl Reading {
    fn event(&mut self, document: &mut Document, event: &Event<'_>, range: Range<usize>) {
        let line = document.line(range.start);
        match event {
            Event::Html(html) => {
                let comment = html.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
                self.marks.extend(comment.map(|comment| (line, comment.trim().to_owned())));
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                let content = inside(&document.text, range);
                document.fences.push(Block { line, language, content, marks: self.take_marks() });
            }
            Event::Start(Tag::Table(_)) => {
                let content = range.start..range.start + document.text[range].trim_end().len();
                document.tables.push(Block { line, language: String::new(), content, marks: self.take_marks() });
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                document.links.push(Link { line, target: dest_url.to_string() });
            }
            Event::Start(Tag::Heading { .. }) => {
                self.no_block_follows(document);
                self.heading = Some(String::new());
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut self.heading {
                    heading.push_str(text);
                }
            }
            Event::End(TagEnd::Heading(level)) => {
                let text = self.heading.take().unwrap_or_default();
                let slug = self.slug(&text);
                document.headings.push(Heading { line, level: *level, text, slug, start: range.start });
            }
            Event::Start(Tag::Paragraph | Tag::List(_) | Tag::BlockQuote(_)) => self.no_block_follows(document),
            _ => {}
        }
    }

    fn take_marks(&mut self) -> Vec<String> {
        self.marks.drain(..).map(|(_, mark)| mark).collect()
    }

    fn no_block_follows(&mut self, document: &mut Document) {
        let is_mark = |mark: &str| MARKS.iter().any(|known| mark.starts_with(known));
        document.strays.extend(self.marks.drain(..).filter(|(_, mark)| is_mark(mark)));
    }

    /// GitHub's slug: lower case, spaces to hyphens, punctuation dropped, a number for a repetition.
    fn slug(&mut self, heading: &str) -> String {
        let lower = heading.to_lowercase();
        let kept = lower.chars().filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            _ => letter.is_alphanumeric().then_some(letter),
        });
        let slug: String = kept.collect();
        let seen = self.slugs.entry(slug.clone()).or_default();
        *seen += 1;
        if *seen == 1 { slug } else { format!("{slug}-{}", *seen - 1) }
    }
}

/// The lines between an opening fence and its closing one.
fn inside(text: &str, block: Range<usize>) -> Range<usize> {
    let whole = text[block.clone()].trim_end();
    let start = whole.find('\n').map_or(whole.len(), |end| end + 1);
    let end = whole.rfind('\n').map_or(start, |end| (end + 1).max(start));
    block.start + start..block.start + end
}

#[test]
fn blocks_marks_and_slugs_are_found() {
    let text = "# A `b`: C!\n\n<!-- excerpt: x.rs#y -->\n```rust\nfn f() {}\n```\n\n## Same\n## Same\n\n<!-- results: r#k -->\n\
                | a |\n|---|\n| 1 |\n\n<!-- replay -->\n\ntext [l](m.md#n)\n\n```\n```\n";
    let document = Document::parse(Path::new("d/R.md"), text);
    assert_eq!(document.content(&document.fences[0]), "fn f() {}\n");
    assert_eq!((document.fences[0].line, document.fences[0].language.as_str()), (4, "rust"));
    assert_eq!(document.fences[0].mark("excerpt"), Some("x.rs#y"));
    assert_eq!(document.content(&document.fences[1]), "");
    assert_eq!(document.content(&document.tables[0]), "| a |\n|---|\n| 1 |");
    assert_eq!(document.tables[0].mark("results"), Some("r#k"));
    let slugs: Vec<_> = document.headings.iter().map(|heading| heading.slug.as_str()).collect();
    assert_eq!(slugs, ["a-b-c", "same", "same-1"]);
    assert_eq!(document.strays.len(), 1, "a mark before a paragraph marks nothing");
    assert_eq!(document.links[0].target, "m.md#n");
}
