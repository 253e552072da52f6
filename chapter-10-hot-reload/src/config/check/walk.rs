//! Goes through a document key by key.

use std::fs;

use super::{names::Names, path::KeyPath};
use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics, suggest},
    jsonc::{Data, Member, Object, Value},
    read::io_reason,
    schema::{Default, Format, Key, Kind, NAME, Namespace, Scope, Section, When},
    source::{Sources, Span},
};

/// So many keys are listed when none is near to what was written.
const MAX_LISTED_KEYS: usize = 12;

/// A walk through one document.
pub(super) struct Walk<'a> {
    sources: &'a Sources,
    diagnostics: &'a mut Diagnostics,
    names: &'a mut Names,
    path: KeyPath,
}

impl<'a> Walk<'a> {
    pub(super) fn new(sources: &'a Sources, diagnostics: &'a mut Diagnostics, names: &'a mut Names) -> Self {
        Self { sources, diagnostics, names, path: KeyPath::default() }
    }

    /// Checks a whole document.
    pub(super) fn root(&mut self, root: &Value, section: &Section) {
        self.section(root, section, "an object");
    }

    fn report(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::new(code, span, message));
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        let path = self.path.to_string();
        self.diagnostics.push(diagnostic.path(path));
    }

    fn wrong_type(&mut self, value: &Value, expected: &str) {
        if !matches!(value.data, Data::Invalid) {
            self.report(Code::Type, value.span, format!("expected {expected}, found {}", value.describe()));
        }
    }

    fn value(&mut self, value: &Value, kind: &Kind) {
        match (kind, &value.data) {
            (_, Data::Invalid)
            | (Kind::Bool | Kind::Feature(_), Data::Bool(_))
            | (Kind::OrFalse(_), Data::Bool(false))
            | (Kind::OrNull(_), Data::Null) => {}
            (Kind::Bool, _) => self.wrong_type(value, "true or false"),
            (Kind::Integer(min, max), _) => self.integer(value, *min, *max),
            (Kind::Number(min, max), _) => self.number(value, *min, *max),
            (Kind::OneOfNumbers(numbers), _) => self.one_of_numbers(value, numbers),
            (Kind::Text(format) | Kind::TextOrObject(format, _), Data::Text(text)) => {
                self.text(value.span, text, format);
            }
            (Kind::Text(format), _) => self.not_a_text(value, format),
            (Kind::Choice(words), _) => self.choice(value, words),
            (Kind::Reference(namespace), Data::Text(name)) => {
                self.names.refer(*namespace, name, value.span, self.path.to_string());
            }
            (Kind::Reference(namespace), _) => self.wrong_type(value, &format!("the name of a {}", namespace.as_str())),
            (Kind::File, _) => self.file(value),
            (Kind::Secret(_), Data::Text(_)) => {
                let diagnostic =
                    Diagnostic::new(Code::Secret, value.span, "a secret is not written into a configuration");
                self.push(diagnostic.help("write {\"file\": \"PATH\"} or {\"env\": \"NAME\"}"));
            }
            (Kind::Object(section) | Kind::Secret(section), _) => self.section(value, section, "an object"),
            (Kind::Feature(section), _) => self.section(value, section, "true, false or an object"),
            (Kind::TextOrObject(format, section), _) => {
                self.section(value, section, &format!("{} such as \"{}\" or an object", format.name, format.example));
            }
            (Kind::Named(namespace, section), _) => self.named(value, *namespace, section),
            (Kind::Dictionary(format, kind), _) => self.dictionary(value, format, kind),
            (Kind::ByReference(namespace, kind), _) => self.by_reference(value, *namespace, kind),
            (Kind::List(kind), Data::Array(elements)) => self.elements(elements, kind),
            (Kind::List(_), _) => self.wrong_type(value, "an array"),
            (Kind::OneOrMore(kind), Data::Array(elements)) => {
                if elements.is_empty() {
                    self.report(Code::Range, value.span, "expected at least one element; leave the key out for none");
                }
                self.elements(elements, kind);
            }
            (Kind::OneOrMore(kind) | Kind::OrFalse(kind) | Kind::OrNull(kind), _) => self.value(value, kind),
        }
    }

    fn elements(&mut self, elements: &[Value], kind: &Kind) {
        for (index, element) in elements.iter().enumerate() {
            self.path.push_index(index);
            self.value(element, kind);
            self.path.pop();
        }
    }

    fn integer(&mut self, value: &Value, min: u64, max: u64) {
        let expected = format!("a whole number from {min} to {max}");
        match &value.data {
            Data::Number(_) if value.as_integer().is_some_and(|number| (min..=max).contains(&number)) => {}
            Data::Number(_) => self.report(Code::Range, value.span, format!("expected {expected}")),
            Data::Text(text) if text.parse::<u64>().is_ok() => {
                let message = format!("expected {expected}, found a string");
                self.push(Diagnostic::new(Code::Type, value.span, message).help("remove the quotes"));
            }
            _ => self.wrong_type(value, &expected),
        }
    }

    fn number(&mut self, value: &Value, min: f64, max: f64) {
        let expected = format!("a number from {min} to {max}");
        match &value.data {
            Data::Number(number) if number.parse().is_ok_and(|number: f64| (min..=max).contains(&number)) => {}
            Data::Number(_) => self.report(Code::Range, value.span, format!("expected {expected}")),
            _ => self.wrong_type(value, &expected),
        }
    }

    fn one_of_numbers(&mut self, value: &Value, numbers: &[u64]) {
        let listed = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        match &value.data {
            Data::Number(_) if value.as_integer().is_some_and(|number| numbers.contains(&number)) => {}
            Data::Number(_) => self.report(Code::Range, value.span, format!("expected one of {listed}")),
            _ => self.wrong_type(value, &format!("one of {listed}")),
        }
    }

    fn choice(&mut self, value: &Value, words: &[&str]) {
        let listed = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let Some(text) = value.as_text() else { return self.wrong_type(value, &format!("one of {listed}")) };
        if !words.contains(&text) {
            let mut diagnostic = Diagnostic::new(Code::Format, value.span, format!("expected one of {listed}"));
            if let Some(nearest) = suggest::nearest(text, words.iter().copied()) {
                diagnostic = diagnostic.help(format!("did you mean \"{nearest}\"?"));
            }
            self.push(diagnostic);
        }
    }

    fn text(&mut self, span: Span, text: &str, format: &Format) {
        if let Err(fault) = (format.parse)(text) {
            let message = match fault.message.as_str() {
                "" => format!("expected {} such as \"{}\"", format.name, format.example),
                message => message.to_owned(),
            };
            self.report(fault.code, span, message);
        }
    }

    fn not_a_text(&mut self, value: &Value, format: &Format) {
        // A form that begins with a number ends with a unit.
        if matches!(value.data, Data::Number(_)) && format.pattern.starts_with("^[0-9]") {
            let message = format!("{} is a string with a unit, such as \"{}\"", format.name, format.example);
            self.report(Code::Unit, value.span, message);
        } else {
            self.wrong_type(value, &format!("{} such as \"{}\"", format.name, format.example));
        }
    }

    fn file(&mut self, value: &Value) {
        let Some(name) = value.as_text() else { return self.wrong_type(value, "the name of a file") };
        let path = self.sources.get(value.span.source).resolve(name);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => self.report(Code::UnreadableFile, value.span, "this is not a regular file"),
            Err(error) => {
                let message = format!("{}: {}", path.display(), io_reason(&error));
                self.report(Code::MissingFile, value.span, message);
            }
        }
    }

    fn object<'v>(&mut self, value: &'v Value, expected: &str) -> Option<&'v Object> {
        let object = value.as_object();
        if object.is_none() {
            self.wrong_type(value, expected);
        }
        object
    }

    // ANCHOR: section
    fn section(&mut self, value: &Value, section: &Section, expected: &str) {
        let Some(object) = self.object(value, expected) else { return };
        self.duplicates(object, "key");
        for member in &object.0 {
            match section.key(&member.key) {
                Some(key) if section.allows(key, object) => self.member(member, &key.kind),
                Some(key) => self.not_here(member, key, object),
                None => self.unknown_key(member, section),
            }
        }
        let missing = section
            .keys
            .iter()
            .filter(|key| matches!(key.default, Default::Required) && object.get(key.name).is_none());
        for key in missing {
            let opening = Span { end: value.span.start + 1, ..value.span };
            let message = format!("{} needs the key '{}'", section.name, key.name);
            self.report(Code::MissingKey, opening, message);
        }
        let path = self.path.to_string();
        let scope = Scope { object, span: value.span, path: &path };
        for rule in section.rules {
            rule(&scope, self.diagnostics);
        }
    }
    // ANCHOR_END: section

    fn member(&mut self, member: &Member, kind: &Kind) {
        self.path.push_key(&member.key);
        self.value(&member.value, kind);
        self.path.pop();
    }

    fn unknown_key(&mut self, member: &Member, section: &Section) {
        let keys = || section.keys.iter().map(|key| key.name);
        let shown = member.key.escape_debug();
        let mut diagnostic =
            Diagnostic::new(Code::UnknownKey, member.key_span, format!("{} has no key '{shown}'", section.name));
        if let Some(nearest) = suggest::nearest(&member.key, keys()) {
            diagnostic = diagnostic.help(format!("did you mean '{nearest}'?"));
        } else if section.keys.len() <= MAX_LISTED_KEYS {
            diagnostic = diagnostic.help(format!("known: {}", keys().collect::<Vec<_>>().join(", ")));
        }
        let path = self.path.of_key(&member.key);
        self.diagnostics.push(diagnostic.path(path));
    }

    /// A key that another one excludes.
    fn not_here(&mut self, member: &Member, key: &Key, object: &Object) {
        let (message, other) = match key.when {
            When::Is(other, words) => {
                let words = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
                (format!("'{}' is only for \"{other}\": {words}", key.name), other)
            }
            When::Without(other) => (format!("'{}' and '{other}' exclude each other", key.name), other),
            When::Always => return,
        };
        let mut diagnostic = Diagnostic::new(Code::Conflict, member.key_span, message);
        if let Some(other) = object.member(other) {
            diagnostic = diagnostic.related(other.key_span.to(other.value.span), "because of this");
        }
        let path = self.path.of_key(&member.key);
        self.diagnostics.push(diagnostic.path(path));
    }

    fn duplicates(&mut self, object: &Object, what: &str) {
        let mut seen = std::collections::HashMap::new();
        for member in &object.0 {
            if let Some(first) = seen.insert(member.key.as_str(), member.key_span) {
                let diagnostic =
                    Diagnostic::new(Code::DuplicateKey, member.key_span, format!("this {what} is there twice"));
                let path = self.path.of_key(&member.key);
                self.diagnostics.push(diagnostic.related(first, "first here").path(path));
                seen.insert(&member.key, first);
            }
        }
    }

    fn named(&mut self, value: &Value, namespace: Namespace, section: &Section) {
        let kind = namespace.as_str();
        let Some(object) = self.object(value, &format!("an object of {kind}s by name")) else { return };
        for member in &object.0 {
            self.path.push_key(&member.key);
            self.text(member.key_span, &member.key, &NAME);
            if let Err(first) = self.names.define(namespace, &member.key, member.key_span) {
                let diagnostic =
                    Diagnostic::new(Code::DuplicateKey, member.key_span, format!("another {kind} has this name"));
                self.push(diagnostic.related(first, "first here"));
            }
            self.section(&member.value, section, "an object");
            self.path.pop();
        }
    }

    fn dictionary(&mut self, value: &Value, format: &Format, kind: &Kind) {
        let Some(object) = self.object(value, "an object") else { return };
        self.duplicates(object, "key");
        for member in &object.0 {
            self.path.push_key(&member.key);
            self.text(member.key_span, &member.key, format);
            self.value(&member.value, kind);
            self.path.pop();
        }
    }

    fn by_reference(&mut self, value: &Value, namespace: Namespace, kind: &Kind) {
        let Some(object) = self.object(value, &format!("an object of {}s and weights", namespace.as_str())) else {
            return;
        };
        self.duplicates(object, "name");
        for member in &object.0 {
            self.path.push_key(&member.key);
            self.names.refer(namespace, &member.key, member.key_span, self.path.to_string());
            self.value(&member.value, kind);
            self.path.pop();
        }
    }
}
