//! One diagnostic.

use super::code::{Code, Severity};
use crate::config::source::Span;

/// What is wrong, where, and what to do.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    code: Code,
    place: Place,
    path: String,
    message: String,
    help: Option<String>,
    related: Vec<Related>,
}

/// Where a diagnostic points to.
#[derive(Clone, Debug)]
enum Place {
    Span(Span),
    /// A file that could not be read, by the name it was given.
    File(String),
}

/// Another place that belongs to a diagnostic, such as the first of two equal names.
#[derive(Clone, Debug)]
pub struct Related {
    /// The place.
    pub span: Span,
    /// What stands there.
    pub message: String,
}

impl Diagnostic {
    /// A fault at a place of a text. Its severity is its code's.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::at(code, Place::Span(span), message.into())
    }

    /// A fault of a file that has no text to point at.
    pub fn of_file(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self::at(code, Place::File(file.into()), message.into())
    }

    fn at(code: Code, place: Place, message: String) -> Self {
        Self { code, place, path: String::new(), message, help: None, related: Vec::new() }
    }

    /// With the path of the key, such as `groups.api.backends[1].weight`.
    #[must_use]
    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// With what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// With another place that belongs to it.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { span, message: message.into() });
        self
    }

    /// Its kind.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether the configuration can be used with it.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Its place; `None` if a file could not be read.
    pub fn span(&self) -> Option<Span> {
        if let Place::Span(span) = self.place { Some(span) } else { None }
    }

    /// The file that could not be read.
    pub(super) fn file(&self) -> Option<&str> {
        if let Place::File(file) = &self.place { Some(file) } else { None }
    }

    /// The path of its key; empty for a fault of the syntax or of a file.
    pub fn key_path(&self) -> &str {
        &self.path
    }

    /// What is wrong: one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do: one line.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The other places.
    pub fn related_places(&self) -> &[Related] {
        &self.related
    }
}
