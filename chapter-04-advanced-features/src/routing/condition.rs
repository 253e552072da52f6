//! Conditions of a rule beyond host and path: method, header, query, cookie.
//!
//! Use them to route testers to a canary (`cookie=canary:1`), writes to the primary (`method=POST,PUT`), a version to
//! its servers (`header=X-Api-Version:2`). Header names are case-insensitive, all else is compared exactly. If a
//! header, parameter or cookie occurs more than once, one match is enough. So a condition decides *where* a request is
//! served; it is no access control, because the client chooses all of these.

use std::fmt;

use super::{cookie::is_token, path::decode_percent_triplet, request_info::RequestInfo};

/// One condition; a rule matches a request only if all of its conditions do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// The method is one of these (sorted, each once).
    Method(Vec<String>),
    /// The request has this header (its name in lower case), with this value if one is given. (RFC 9110 calls a header
    /// a field.)
    Header(String, Option<String>),
    /// The query has this parameter, with this value if one is given, both compared decoded.
    Query(String, Option<String>),
    /// The request has this cookie, with this value if one is given.
    Cookie(String, Option<String>),
}

/// Why a text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Not a method.
    #[error("invalid method '{0}': expected upper case, such as GET or POST")]
    InvalidMethod(String),
    /// Not the name of a header or a cookie.
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

    /// Whether the request matches.
    pub fn matches(&self, info: &RequestInfo<'_>) -> bool {
        let same = |expected: &Option<String>, value: &[u8]| {
            expected.as_ref().is_none_or(|expected| expected.as_bytes() == value)
        };
        match self {
            Self::Method(methods) => methods.iter().any(|method| method.as_bytes() == info.method()),
            Self::Header(name, expected) => info.header_values(name).any(|value| same(expected, value)),
            Self::Query(name, expected) => info.query_params().any(|(actual, value)| {
                query_eq(actual, name) && expected.as_ref().is_none_or(|expected| query_eq(value, expected))
            }),
            Self::Cookie(name, expected) => {
                info.cookies().any(|(actual, value)| actual == name.as_bytes() && same(expected, value))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, expected) = match self {
            Self::Method(methods) => return write!(f, "method={}", methods.join(",")),
            Self::Header(name, expected) => ("header", name, expected),
            Self::Query(name, expected) => ("query", name, expected),
            Self::Cookie(name, expected) => ("cookie", name, expected),
        };
        match expected {
            Some(expected) => write!(f, "{kind}={name}:{expected}"),
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

/// Whether `sent`, a part of a query, decodes to `expected`: `+` is a space, and an invalid escape stays as it is.
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
    fn conditions_match_or_do_not() {
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
    fn errors_quote_the_invalid_condition() {
        for error in [
            Condition::parse_method("get"),
            Condition::parse_method("GET,"),
            Condition::parse_method(""),
            Condition::parse_header(":x"),
            Condition::parse_header("a b:x"),
            Condition::parse_query(":x"),
            Condition::parse_cookie("a=b"),
        ] {
            let text = error.unwrap_err().to_string();
            assert!(text.starts_with("invalid method '") || text.starts_with('\''), "{text}");
        }
    }
}
