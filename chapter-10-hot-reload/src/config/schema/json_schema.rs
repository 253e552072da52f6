//! The JSON Schema of a configuration, for editors that complete and check while one types.
//!
//! It is made from the keys' declarations, and is less strict than `config_test`: JSON Schema knows no names that must be
//! defined, no routes that ask the same and no files.

use serde_json::{Map, Value, json};

use super::{
    declaration::{Default, Key, Kind, Section},
    format::{Format, NAME},
    keys,
};

/// The schema (draft 2020-12).
pub fn render() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of hot_reload_lb",
        "anyOf": [object(&keys::ROOT), object(&keys::SHORT)],
    })
}

fn object(section: &Section) -> Value {
    let required = section.keys.iter().filter(|key| matches!(key.default, Default::Required));
    let required: Vec<_> = required.map(|key| key.name).collect();
    let properties: Map<_, _> = section.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut object = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn property(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    let description = match key.default {
        Default::Computed(words) => format!("{} Default: {words}.", key.doc),
        _ => key.doc.to_owned(),
    };
    schema["description"] = description.into();
    if let Default::Value(default) = key.default {
        schema["default"] = serde_json::from_str(default).expect("a default is JSON");
    }
    schema
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Number(min, max) => json!({"type": "number", "minimum": min, "maximum": max}),
        Kind::OneOfNumbers(numbers) => json!({"enum": numbers}),
        Kind::Text(format) => text(format),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Reference(_) => text(&NAME),
        Kind::File => json!({"type": "string"}),
        Kind::Object(section) | Kind::Secret(section) => object(section),
        Kind::Feature(section) => any_of(vec![json!({"type": "boolean"}), object(section)]),
        Kind::OrFalse(inner) => any_of(vec![json!({"const": false}), kind(inner)]),
        Kind::OrNull(inner) => any_of(vec![json!({"type": "null"}), kind(inner)]),
        Kind::TextOrObject(format, section) => any_of(vec![text(format), object(section)]),
        Kind::Named(_, section) => dictionary(&NAME, object(section)),
        Kind::Dictionary(format, inner) => dictionary(format, kind(inner)),
        Kind::ByReference(_, inner) => dictionary(&NAME, kind(inner)),
        Kind::List(inner) => json!({"type": "array", "items": kind(inner)}),
        Kind::OneOrMore(inner) => {
            any_of(vec![kind(inner), json!({"type": "array", "minItems": 1, "items": kind(inner)})])
        }
    }
}

fn any_of(schemas: impl Into<Value>) -> Value {
    json!({"anyOf": schemas.into()})
}

fn text(format: &Format) -> Value {
    match format.pattern {
        "" => json!({"type": "string", "examples": [format.example]}),
        pattern => json!({"type": "string", "pattern": pattern, "examples": [format.example]}),
    }
}

fn dictionary(names: &Format, values: impl Into<Value>) -> Value {
    let mut object = json!({"type": "object", "additionalProperties": values.into()});
    if !names.pattern.is_empty() {
        object["propertyNames"] = json!({"pattern": names.pattern});
    }
    object
}
