//! Diagnostics for programs: editors, CI, the admin API.

use serde_json::{Value, json};

use super::{Diagnostics, message::Diagnostic};
use crate::config::source::{Sources, Span};

/// `{"valid", "errors", "warnings", "diagnostics": […]}`, as the reference describes it.
pub fn render(diagnostics: &Diagnostics, sources: &Sources) -> Value {
    let all: Vec<_> = diagnostics.iter().map(|diagnostic| one(diagnostic, sources)).collect();
    json!({
        "valid": diagnostics.errors() == 0,
        "errors": diagnostics.errors(),
        "warnings": diagnostics.warnings(),
        "diagnostics": all,
    })
}

fn one(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let related = diagnostic.related_places().iter();
    let related: Vec<_> =
        related.map(|place| merged(at(place.span, sources), json!({"message": place.message}))).collect();
    let place = match diagnostic.span() {
        Some(span) => at(span, sources),
        None => json!({"file": diagnostic.file(), "line": null, "column": null}),
    };
    let rest = json!({
        "severity": diagnostic.severity().to_string(),
        "code": diagnostic.code().as_str(),
        "path": diagnostic.key_path(),
        "message": diagnostic.message(),
        "help": diagnostic.help_text(),
        "related": related,
    });
    merged(place, rest)
}

fn at(span: Span, sources: &Sources) -> Value {
    let position = sources.position(span);
    json!({"file": sources.get(span.source).name(), "line": position.line, "column": position.column})
}

fn merged(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}
