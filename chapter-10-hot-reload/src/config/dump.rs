//! The effective configuration: every key with its value and where that comes from.
//!
//! One key a line, in the order of the reference. It is a valid configuration in the full form, with comments. A key that
//! has no value and no default is a comment.

use std::fmt::Write;

use super::{
    jsonc::{Data, Object, Value},
    schema::{Default, Key, Kind, Section, keys},
    source::{Sources, Span},
};

/// The text of a configuration in the full form.
pub fn render(config: &Object, sources: &Sources) -> String {
    let mut dump = Dump { sources, text: String::new() };
    dump.text.push_str("{\n");
    dump.members(Some(config), &keys::ROOT, 1);
    dump.text.push_str("}\n");
    dump.text
}

struct Dump<'a> {
    sources: &'a Sources,
    text: String,
}

impl Dump<'_> {
    fn line(&mut self, depth: usize, content: &str, origin: &str) {
        let indent = 2 * depth;
        let _ = match origin {
            "" => writeln!(self.text, "{:indent$}{content}", ""),
            _ => writeln!(self.text, "{:indent$}{content} // {origin}", ""),
        };
    }

    fn origin(&self, span: Span) -> String {
        if span.is_empty() {
            return "default".to_owned();
        }
        format!("{}:{}", self.sources.get(span.source).name(), self.sources.position(span).line)
    }

    fn members(&mut self, object: Option<&Object>, section: &Section, depth: usize) {
        let none = Object::default();
        let allowed = |key: &&Key| key.name != "include" && section.allows(key, object.unwrap_or(&none));
        for key in section.keys.iter().filter(allowed) {
            match object.and_then(|object| object.get(key.name)) {
                Some(value) => self.value(&quoted(key.name), value, &key.kind, depth),
                None => self.absent(key, depth),
            }
        }
    }

    fn absent(&mut self, key: &Key, depth: usize) {
        let name = quoted(key.name);
        match (key.default, key.kind) {
            (Default::Value("true" | "{}"), Kind::Feature(section) | Kind::Object(section)) => {
                self.line(depth, &format!("{name}: {{"), "default");
                self.members(None, section, depth + 1);
                self.line(depth, "},", "");
            }
            (Default::Value(json), _) => self.line(depth, &format!("{name}: {json},"), "default"),
            (Default::Computed(words), _) => self.line(depth, &format!("// {name}: {words}"), "default"),
            (Default::Absent | Default::Required, _) => self.line(depth, &format!("// {name}: not set"), "default"),
        }
    }

    fn value(&mut self, name: &str, value: &Value, kind: &Kind, depth: usize) {
        let origin = self.origin(value.span);
        let start = if name.is_empty() { String::new() } else { format!("{name}: ") };
        match (kind, &value.data) {
            (Kind::OrFalse(kind) | Kind::OrNull(kind), _) if !matches!(value.data, Data::Bool(_) | Data::Null) => {
                self.value(name, value, kind, depth);
            }
            (Kind::Feature(section), Data::Bool(true)) => {
                self.line(depth, &format!("{start}{{"), &origin);
                self.members(None, section, depth + 1);
                self.line(depth, "},", "");
            }
            (
                Kind::Object(section) | Kind::Feature(section) | Kind::Secret(section) | Kind::TextOrObject(_, section),
                Data::Object(object),
            ) => {
                self.line(depth, &format!("{start}{{"), &origin);
                self.members(Some(object), section, depth + 1);
                self.line(depth, "},", "");
            }
            (_, Data::Object(object)) => {
                self.line(depth, &format!("{start}{{"), &origin);
                for member in &object.0 {
                    let inner = match kind {
                        Kind::Named(_, section) => Kind::Object(section),
                        Kind::Dictionary(_, kind) | Kind::ByReference(_, kind) => **kind,
                        other => *other,
                    };
                    self.value(&quoted(&member.key), &member.value, &inner, depth + 1);
                }
                self.line(depth, "},", "");
            }
            (Kind::List(kind) | Kind::OneOrMore(kind), Data::Array(elements)) => {
                if matches!(kind, Kind::Object(_) | Kind::TextOrObject(..)) {
                    self.line(depth, &format!("{start}["), &origin);
                    for element in elements {
                        self.value("", element, kind, depth + 1);
                    }
                    self.line(depth, "],", "");
                } else {
                    self.line(depth, &format!("{start}{},", scalar(value)), &origin);
                }
            }
            _ => self.line(depth, &format!("{start}{},", scalar(value)), &origin),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn scalar(value: &Value) -> String {
    match &value.data {
        Data::Null | Data::Object(_) | Data::Invalid => "null".to_owned(),
        Data::Bool(value) => value.to_string(),
        Data::Number(number) => number.clone(),
        Data::Text(text) => quoted(text),
        Data::Array(elements) => format!("[{}]", elements.iter().map(scalar).collect::<Vec<_>>().join(", ")),
    }
}
