//! A configuration with all its defaults, as JSON.

use serde_json::{Map, Value as Json};

use crate::config::{
    jsonc::{Data, Object, Value},
    schema::{Default, Key, Kind, Section, keys},
};

/// The configuration with every default that is a value. Features that are `true` become objects.
pub fn effective(config: &Object) -> Json {
    object(Some(config), &keys::ROOT)
}

fn object(object: Option<&Object>, section: &Section) -> Json {
    let none = Object::default();
    let object = object.unwrap_or(&none);
    let keys = section.keys.iter().filter(|key| section.allows(key, object));
    let member = |key: &Key| {
        let written = object.get(key.name);
        let value = written.map_or_else(|| default(key), |written| Some(value(written, &key.kind)))?;
        Some((key.name.to_owned(), value))
    };
    Json::Object(keys.filter_map(member).collect())
}

fn default(key: &Key) -> Option<Json> {
    match (key.default, key.kind) {
        (Default::Value("true" | "{}"), Kind::Feature(section) | Kind::Object(section)) => Some(object(None, section)),
        (Default::Value(json), _) => Some(serde_json::from_str(json).expect("a default is JSON")),
        (Default::Required | Default::Absent | Default::Computed(_), _) => None,
    }
}

fn value(written: &Value, kind: &Kind) -> Json {
    match (kind, &written.data) {
        (Kind::OrFalse(kind) | Kind::OrNull(kind), data) if !matches!(data, Data::Bool(_) | Data::Null) => {
            value(written, kind)
        }
        (Kind::Feature(section), Data::Bool(true)) => object(None, section),
        (Kind::Named(_, section), Data::Object(members)) => by_name(members, &Kind::Object(section)),
        (Kind::Dictionary(_, kind) | Kind::ByReference(_, kind), Data::Object(members)) => by_name(members, kind),
        (_, Data::Object(members)) => kind.section().map_or(Json::Null, |section| object(Some(members), section)),
        (Kind::List(kind) | Kind::OneOrMore(kind), Data::Array(elements)) => {
            elements.iter().map(|element| value(element, kind)).collect()
        }
        (_, Data::Array(_) | Data::Null | Data::Invalid) => Json::Null,
        (_, Data::Bool(value)) => (*value).into(),
        (_, Data::Number(number)) => serde_json::from_str(number).expect("a number of a checked file is JSON"),
        (_, Data::Text(text)) => text.as_str().into(),
    }
}

fn by_name(members: &Object, kind: &Kind) -> Json {
    let member = |member: &crate::config::jsonc::Member| (member.key.clone(), value(&member.value, kind));
    Json::Object(members.0.iter().map(member).collect::<Map<_, _>>())
}
