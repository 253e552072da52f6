//! Characters of a document: blanks, comments, words, and what is skipped behind an error.

use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics},
    source::{SourceId, Span},
};

/// A position in a document.
pub(super) struct Scanner<'a> {
    source: SourceId,
    text: &'a str,
    offset: usize,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(source: SourceId, text: &'a str, diagnostics: &'a mut Diagnostics) -> Self {
        Self { source, text, offset: 0, diagnostics }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes `bytes` on, to a boundary between characters.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.offset += bytes;
    }

    pub(super) fn next_char(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.offset += next.len_utf8();
        Some(next)
    }

    /// Takes `expected` if it is the next character.
    pub(super) fn accept(&mut self, expected: char) -> bool {
        let is_next = self.peek() == Some(expected);
        if is_next {
            self.offset += expected.len_utf8();
        }
        is_next
    }

    /// From `start` to here.
    pub(super) fn span_from(&self, start: usize) -> Span {
        span(self.source, start, self.offset)
    }

    /// The next character; at the end of the text the empty range behind the last one that is not blank.
    pub(super) fn next_span(&self) -> Span {
        if self.rest().is_empty() {
            let end = self.text.trim_end().len();
            return span(self.source, end, end);
        }
        span(self.source, self.offset, self.offset + self.peek().map_or(0, char::len_utf8))
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn syntax_error(&mut self, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::new(Code::Syntax, span, message));
    }

    /// Skips blanks and comments.
    pub(super) fn skip_trivia(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            self.offset += blanks;
            let rest = self.rest();
            let start = self.offset;
            if rest.starts_with("//") {
                self.skip_line();
            } else if rest.starts_with("/*") {
                if let Some(end) = rest.find("*/") {
                    self.offset += end + 2;
                } else {
                    self.offset += 2;
                    let opening = self.span_from(start);
                    self.offset = self.text.len();
                    self.syntax_error(opening, "this comment is not closed; it ends at '*/'");
                }
            } else if rest.starts_with('#') {
                let mark = self.next_span();
                self.skip_line();
                self.syntax_error(mark, "a comment begins with '//'");
            } else if blanks == 0 {
                return;
            }
        }
    }

    fn skip_line(&mut self) {
        self.offset += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    /// Takes letters, digits and what else stands in numbers and bare words.
    pub(super) fn take_word(&mut self) -> &'a str {
        let rest = self.rest();
        let is_word = |c: char| c.is_alphanumeric() || "_-+.".contains(c);
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        self.offset += word.len();
        word
    }

    /// Skips to the `,` or the closing bracket that ends the element here, over whole strings, comments and brackets.
    pub(super) fn skip_element(&mut self) {
        let mut depth = 0_usize;
        loop {
            self.skip_trivia();
            match self.peek() {
                None => return,
                Some('{' | '[') => depth += 1,
                Some('}' | ']' | ',') if depth == 0 => return,
                Some('}' | ']') => depth -= 1,
                Some('"') => {
                    self.skip_string();
                    continue;
                }
                Some(_) => {}
            }
            self.next_char();
        }
    }

    /// Skips a string, or the rest of its line if it has no end there.
    fn skip_string(&mut self) {
        self.next_char();
        while let Some(next) = self.peek() {
            if next == '\n' {
                return;
            }
            self.next_char();
            match next {
                '"' => return,
                '\\' if self.peek() != Some('\n') => drop(self.next_char()),
                _ => {}
            }
        }
    }
}

fn span(source: SourceId, start: usize, end: usize) -> Span {
    let offset = |offset: usize| u32::try_from(offset).expect("a file is at most 16 MiB");
    Span { source, start: offset(start), end: offset(end) }
}
