//! What a rule of a section looks at: one object of a file.

use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics},
    jsonc::{Member, Object, Value},
    source::Span,
};

/// A check of one object that no single key can make. Each key of the object has been checked before, and may be wrong.
pub type Rule = fn(&Scope<'_>, &mut Diagnostics);

/// An object, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Its members.
    pub object: &'a Object,
    /// The object in the text.
    pub span: Span,
    /// The path of its key.
    pub path: &'a str,
}

impl<'a> Scope<'a> {
    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key)
    }

    /// The string of a key, or its default.
    pub(super) fn text<'b>(&self, key: &str, default: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.get(key).and_then(Value::as_text).unwrap_or(default)
    }

    /// The path of one of its keys.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A diagnostic of a member's key.
    pub(super) fn at(&self, member: &Member, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, member.key_span, message).path(self.path_of(&member.key))
    }

    /// A diagnostic of the whole object; the caret is under its opening bracket.
    pub(super) fn here(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, Span { end: self.span.start + 1, ..self.span }, message).path(self.path)
    }
}
