//! What a declaration is made of: sections have keys, keys have kinds of values, and some kinds are sections.

use super::{format::Format, scope::Rule};
use crate::config::jsonc::Object;

/// The keys of one kind of object.
#[derive(Debug)]
pub struct Section {
    /// What it is, with its article: `a health check`.
    pub name: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
    /// What no single key can check.
    pub rules: &'static [Rule],
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds without it.
    pub default: Default,
    /// What a change of it takes.
    pub applies: Applies,
    /// When it may be there.
    pub when: When,
    /// The flag of chapters 4 to 9 that does the same; empty if there is none.
    pub flag: &'static str,
    /// One or more sentences for the reference.
    pub doc: &'static str,
}

/// What holds when a key is absent.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Its absence is an error.
    Required,
    /// The feature is off, or the limit is not there; its documentation says more if that needs saying.
    Absent,
    /// This value, as JSON.
    Value(&'static str),
    /// What the program finds out, in words.
    Computed(&'static str),
}

/// When a key may be there.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Always.
    Always,
    /// If another key of the object, or its default, is one of these words.
    Is(&'static str, &'static [&'static str]),
    /// If another key of the object is absent.
    Without(&'static str),
}

/// What a change of a key takes, and to what it then applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// A reload; to new requests.
    Requests,
    /// A reload; to new connections.
    Connections,
    /// A reload, which opens the listener again.
    Listener,
    /// An upgrade: the process is replaced.
    Upgrade,
}

impl Key {
    /// A key that may be absent, and whose change applies to new requests.
    pub const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, default: Default::Absent, applies: Applies::Requests, when: When::Always, flag: "", doc }
    }

    /// A key that must be there.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { default: Default::Required, ..self }
    }

    /// With a default: a value, as JSON.
    #[must_use]
    pub const fn default(self, json: &'static str) -> Self {
        Self { default: Default::Value(json), ..self }
    }

    /// With a default that the program finds out.
    #[must_use]
    pub const fn computed(self, words: &'static str) -> Self {
        Self { default: Default::Computed(words), ..self }
    }

    /// With the flag that does the same.
    #[must_use]
    pub const fn flag(self, flag: &'static str) -> Self {
        Self { flag, ..self }
    }

    /// Only if another key is one of these words.
    #[must_use]
    pub const fn only_if(self, key: &'static str, words: &'static [&'static str]) -> Self {
        Self { when: When::Is(key, words), ..self }
    }

    /// Only if another key is absent.
    #[must_use]
    pub const fn only_without(self, key: &'static str) -> Self {
        Self { when: When::Without(key), ..self }
    }

    /// With what a change takes.
    #[must_use]
    pub const fn applies(self, applies: Applies) -> Self {
        Self { applies, ..self }
    }
}

impl Section {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Whether an object, of which this is the section, may have a key. A wrong value of the key that decides allows it.
    pub fn allows(&self, key: &Key, object: &Object) -> bool {
        match key.when {
            When::Always => true,
            When::Without(other) => object.get(other).is_none(),
            When::Is(other, words) => match object.get(other) {
                Some(value) => value.as_text().is_none_or(|word| words.contains(&word)),
                None => match self.key(other).map(|key| key.default) {
                    Some(Default::Value(json)) => words.contains(&json.trim_matches('"')),
                    _ => true,
                },
            },
        }
    }
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`
    Bool,
    /// A whole number in this range.
    Integer(u64, u64),
    /// A number in this range, with a fraction or without.
    Number(f64, f64),
    /// A string of a form.
    Text(&'static Format),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these numbers.
    OneOfNumbers(&'static [u64]),
    /// The name of something that the configuration defines.
    Reference(Namespace),
    /// An object with these keys.
    Object(&'static Section),
    /// The name of a file that must exist.
    File,
    /// An object that says where a secret is. A string would be the secret itself, and is an error.
    Secret(&'static Section),
    /// `false` (off), `true` (on, with all defaults) or an object with these keys.
    Feature(&'static Section),
    /// `false` (off) or such a value.
    OrFalse(&'static Self),
    /// `null` (nothing, or anything: its key says which) or such a value.
    OrNull(&'static Self),
    /// A short form, or an object with these keys.
    TextOrObject(&'static Format, &'static Section),
    /// Objects with these keys, by names that can be referred to.
    Named(Namespace, &'static Section),
    /// An object with free keys of a form, and such values.
    Dictionary(&'static Format, &'static Self),
    /// An object whose keys are names that the configuration defines, with such values.
    ByReference(Namespace, &'static Self),
    /// An array of such values.
    List(&'static Self),
    /// Such a value, or an array of at least one.
    OneOrMore(&'static Self),
}

impl Kind {
    /// The section of the objects that such a value is, or holds.
    pub fn section(&self) -> Option<&'static Section> {
        match self {
            Self::Object(section)
            | Self::Secret(section)
            | Self::Feature(section)
            | Self::TextOrObject(_, section)
            | Self::Named(_, section) => Some(section),
            Self::OrFalse(kind)
            | Self::OrNull(kind)
            | Self::Dictionary(_, kind)
            | Self::ByReference(_, kind)
            | Self::List(kind)
            | Self::OneOrMore(kind) => kind.section(),
            _ => None,
        }
    }
}

/// What a name can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// A listener.
    Listener,
    /// A group of backends.
    Group,
    /// A limit.
    Limit,
}

impl Namespace {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Group => "group",
            Self::Limit => "limit",
        }
    }
}
