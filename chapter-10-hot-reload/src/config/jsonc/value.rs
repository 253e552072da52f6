//! A parsed value and its place.

use crate::config::source::Span;

/// A value of a document.
#[derive(Clone, Debug)]
pub struct Value {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub data: Data,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Data {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written: what it may be depends on its key.
    Number(String),
    /// A string, decoded.
    Text(String),
    /// `[…]`
    Array(Vec<Value>),
    /// `{…}`
    Object(Object),
    /// A syntax error stood here and has been reported.
    Invalid,
}

/// The members of an object, in the order of the text; a key may occur several times.
#[derive(Clone, Debug, Default)]
pub struct Object(pub Vec<Member>);

/// One member of an object.
#[derive(Clone, Debug)]
pub struct Member {
    /// The key, decoded.
    pub key: String,
    /// Where the key stands, with its quotes.
    pub key_span: Span,
    /// Its value.
    pub value: Value,
}

impl Object {
    /// The first member with this key.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.0.iter().find(|member| member.key == key)
    }

    /// The value of the first member with this key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.member(key).map(|member| &member.value)
    }
}

impl Value {
    /// The string, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object> {
        if let Data::Object(object) = &self.data { Some(object) } else { None }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Data::Array(elements) = &self.data { Some(elements) } else { None }
    }

    /// The elements of an array, or the value itself: for keys that take one or a list.
    pub fn one_or_more(&self) -> &[Self] {
        self.as_array().unwrap_or(std::slice::from_ref(self))
    }

    /// The number, if it is a whole one from 0 to `u64::MAX`, written as digits.
    pub fn as_integer(&self) -> Option<u64> {
        if let Data::Number(number) = &self.data { number.parse().ok() } else { None }
    }

    /// What it is, with its article: for messages.
    pub fn describe(&self) -> &'static str {
        match &self.data {
            Data::Null => "null",
            Data::Bool(true) => "true",
            Data::Bool(false) => "false",
            Data::Number(_) => "a number",
            Data::Text(_) => "a string",
            Data::Array(_) => "an array",
            Data::Object(_) => "an object",
            Data::Invalid => "a syntax error",
        }
    }
}
