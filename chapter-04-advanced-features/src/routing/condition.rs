//! What a rule may ask of a request beyond its host and path.
//!
//! Reach for it to send testers to a canary (`cookie=canary:1`), writes to the primary (`method=POST,PUT`), a
//! version to its servers (`header=X-Api-Version:2`). Header names are matched without regard to case, all else
//! exactly as written. A field, parameter or cookie may come more than once: one that fits is enough. So a
//! condition picks who is *served where*; it keeps nobody out, for the client chooses all of these.

use std::fmt;

use super::{cookie::is_token, path::decode_percent_triplet, request_info::RequestInfo};

/// One condition; a rule is for a request only if all of its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// The method is one of these (sorted, each once).
    Method(Vec<String>),
    /// There is such a header field (its name in lower case), with that value if one is given.
    Header(String, Option<String>),
    /// There is such a parameter in the query, with that value if one is given, both compared decoded.
    Query(String, Option<String>),
    /// There is such a cookie, with that value if one is given.
    Cookie(String, Option<String>),
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Not a method.
    #[error("invalid method '{0}': expected upper case, such as GET or POST")]
    InvalidMethod(String),
    /// Not the name of a field or a cookie.
    #[error("'{0}' is not NAME or NAME:VALUE, with a name such as X-Env")]
    InvalidName(String),
}

impl Condition {
    /// `GET,POST`
    pub(crate) fn parse_method(value: &str) -> Result<Self, ConditionError> {
        let is_method = |word: &str| is_token(word) && !word.bytes().any(|byte| byte.is_ascii_lowercase());
        let mut methods: Vec<String> = value.split(',').map(str::to_owned).collect();
        if let Some(wrong) = methods.iter().find(|word| !is_method(word)) {
            return Err(ConditionError::InvalidMethod(wrong.clone()));
        }
        methods.sort_unstable();
        methods.dedup();
        Ok(Self::Method(methods))
    }

    /// `NAME` or `NAME:VALUE`
    pub(crate) fn parse_header(value: &str) -> Result<Self, ConditionError> {
        let (name, expected) = parse_name_value(value, is_token)?;
        Ok(Self::Header(name.to_ascii_lowercase(), expected))
    }

    /// `NAME` or `NAME:VALUE`
    pub(crate) fn parse_query(value: &str) -> Result<Self, ConditionError> {
        let (name, expected) = parse_name_value(value, |name| !name.is_empty())?;
        Ok(Self::Query(name, expected))
    }

    /// `NAME` or `NAME:VALUE`
    pub(crate) fn parse_cookie(value: &str) -> Result<Self, ConditionError> {
        let (name, expected) = parse_name_value(value, is_token)?;
        Ok(Self::Cookie(name, expected))
    }

    /// Whether it holds for this request.
    pub fn matches(&self, info: &RequestInfo<'_>) -> bool {
        let same = |expected: &Option<String>, value: &[u8]| expected.as_ref().is_none_or(|it| it.as_bytes() == value);
        match self {
            Self::Method(methods) => methods.iter().any(|method| method.as_bytes() == info.method()),
            Self::Header(name, wanted) => info.header_values(name).any(|value| same(wanted, value)),
            Self::Query(name, wanted) => info.query_params().any(|(found, value)| {
                query_eq(found, name) && wanted.as_ref().is_none_or(|wanted| query_eq(value, wanted))
            }),
            Self::Cookie(name, wanted) => {
                info.cookies().any(|(found, value)| found == name.as_bytes() && same(wanted, value))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, expected) = match self {
            Self::Method(methods) => return write!(f, "method={}", methods.join(",")),
            Self::Header(name, wanted) => ("header", name, wanted),
            Self::Query(name, wanted) => ("query", name, wanted),
            Self::Cookie(name, wanted) => ("cookie", name, wanted),
        };
        match expected {
            Some(wanted) => write!(f, "{kind}={name}:{wanted}"),
            None => write!(f, "{kind}={name}"),
        }
    }
}

fn parse_name_value(text: &str, is_name: impl Fn(&str) -> bool) -> Result<(String, Option<String>), ConditionError> {
    let (name, expected) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
    if is_name(name) {
        Ok((name.into(), expected.map(Into::into)))
    } else {
        Err(ConditionError::InvalidName(text.into()))
    }
}

/// Whether `sent`, a part of a query, means `wanted`: `+` is a blank there, and a broken escape means itself.
fn query_eq(sent: &[u8], expected: &str) -> bool {
    let mut rest = sent;
    let decoded = std::iter::from_fn(|| {
        let (&first, tail) = rest.split_first()?;
        if let Some(byte) = decode_percent_triplet(rest) {
            rest = &rest[3..];
            return Some(byte);
        }
        rest = tail;
        Some(if first == b'+' { b' ' } else { first })
    });
    decoded.eq(expected.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::request_info::with_request_info;

    type Parse = fn(&str) -> Result<Condition, ConditionError>;

    #[test]
    fn conditions_hold_or_do_not() {
        let request = [
            "POST /?v=2&na%6De=a%20b+c&empty&bad=%4 HTTP/1.1",
            "Host: a",
            "X-Env: alpha",
            "x-env: beta",
            "Cookie: canary=1; a=b",
            "Cookie: c=d=e",
        ];
        let [method, header, query, cookie]: [Parse; 4] =
            [Condition::parse_method, Condition::parse_header, Condition::parse_query, Condition::parse_cookie];
        for (parse, text, expected) in [
            (method, "GET,POST", true),
            (method, "GET", false),
            (method, "POS", false),
            (header, "x-ENV", true),
            (header, "X-Env:beta", true),
            (header, "X-Env:Beta", false),
            (header, "X-En", false),
            (header, "Host:a", true),
            (query, "v:2", true),
            (query, "v:", false),
            (query, "V", false),
            (query, "name:a b c", true),
            (query, "empty", true),
            (query, "empty:", true),
            (query, "bad:%4", true),
            (cookie, "canary:1", true),
            (cookie, "canary:2", false),
            (cookie, "Canary", false),
            (cookie, "c:d=e", true),
        ] {
            let condition = parse(text).unwrap();
            assert_eq!(with_request_info(&request, |info| condition.matches(info)), expected, "{condition}");
        }
    }

    #[test]
    fn wrong_conditions_are_named() {
        for error in [
            Condition::parse_method("get"),
            Condition::parse_method("GET,"),
            Condition::parse_method(""),
            Condition::parse_header(":x"),
            Condition::parse_header("a b:x"),
            Condition::parse_query(":x"),
            Condition::parse_cookie("a=b"),
        ] {
            assert!(error.unwrap_err().to_string().starts_with('\''));
        }
    }
}
