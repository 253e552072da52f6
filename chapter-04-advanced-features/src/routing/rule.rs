//! A rule: conditions, and the group for requests for which all of them hold.
//!
//! ```text
//! host=*.a.example path=/api/* method=GET,POST header=X-Env:beta query=v:2 cookie=canary:1 -> api
//! ```
//!
//! Words between blanks; each condition is `NAME=VALUE`, in any order. `host`, `path` and `method` stand once at
//! most, the others as often as you like. A rule without conditions (`-> web`) takes what no other takes.

use std::{cmp::Reverse, fmt, str::FromStr};

use super::{
    condition::{Condition, ConditionError},
    group_spec::is_group_name,
    pattern::{HostPattern, HostPatternError, PathPattern, PathPatternError},
    request_info::RequestInfo,
};

/// Conditions and a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteRule {
    host: Option<HostPattern>,
    path: Option<PathPattern>,
    /// Sorted, each once: two rules are equal if they ask the same.
    conditions: Vec<Condition>,
    group: String,
}

/// Why a text is no [`Rule`]: one line with the rule and the word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("route '{rule}': {kind}")]
pub struct RouteRuleError {
    /// The rule on one line.
    pub rule: String,
    /// What is wrong with it.
    #[source]
    pub kind: RouteRuleErrorKind,
}

/// What may be wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it all")]
pub enum RouteRuleErrorKind {
    #[error("it must end with '-> GROUP'")]
    MissingGroup,
    #[error("invalid group name '{0}'")]
    InvalidGroupName(String),
    #[error("unknown condition '{0}'; known: host=, path=, method=, header=, query=, cookie=")]
    UnknownCondition(String),
    #[error("'{0}' is a duplicate condition")]
    DuplicateCondition(String),
    #[error(transparent)]
    InvalidHost(#[from] HostPatternError),
    #[error(transparent)]
    InvalidPath(#[from] PathPatternError),
    #[error(transparent)]
    InvalidCondition(#[from] ConditionError),
}

impl RouteRule {
    /// The group it is for.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The host that it is for.
    pub fn host(&self) -> Option<&HostPattern> {
        self.host.as_ref()
    }

    /// Whether all its conditions hold.
    pub fn matches(&self, info: &RequestInfo<'_>) -> bool {
        self.host.as_ref().is_none_or(|host| host.matches(info.host())) && self.matches_ignoring_host(info)
    }

    /// As [`matches`](Self::matches), for a host that is known to fit.
    pub(crate) fn matches_ignoring_host(&self, info: &RequestInfo<'_>) -> bool {
        self.path.as_ref().is_none_or(|path| path.matches(info.merged_path()))
            && self.conditions.iter().all(|condition| condition.matches(info))
    }

    /// Whether the other asks the same, whatever its group.
    pub(crate) fn has_same_conditions(&self, other: &Self) -> bool {
        (&self.host, &self.path, &self.conditions) == (&other.host, &other.path, &other.conditions)
    }

    /// Sorts the rule first that knows best: by host, then by path, then by the number of further conditions.
    pub(crate) fn precedence(&self) -> impl Ord + use<> {
        // `None` would sort first, and asks least.
        let host = (self.host.is_none(), self.host.as_ref().map(HostPattern::precedence));
        let path = (self.path.is_none(), self.path.as_ref().map(PathPattern::precedence));
        (host, path, Reverse(self.conditions.len()))
    }

    fn add_condition(&mut self, word: &str) -> Result<(), RouteRuleErrorKind> {
        let unknown = || RouteRuleErrorKind::UnknownCondition(word.into());
        let (kind, value) = word.split_once('=').ok_or_else(unknown)?;
        let condition = match kind {
            "host" => return set_once(&mut self.host, value.parse()?, word),
            "path" => return set_once(&mut self.path, value.parse()?, word),
            "method" => Condition::parse_method(value)?,
            "header" => Condition::parse_header(value)?,
            "query" => Condition::parse_query(value)?,
            "cookie" => Condition::parse_cookie(value)?,
            _ => return Err(unknown()),
        };
        let is_method = |condition: &Condition| matches!(condition, Condition::Method(_));
        let has_method = is_method(&condition) && self.conditions.iter().any(is_method);
        if has_method || self.conditions.contains(&condition) {
            return Err(RouteRuleErrorKind::DuplicateCondition(word.into()));
        }
        self.conditions.push(condition);
        Ok(())
    }
}

fn set_once<T>(place: &mut Option<T>, value: T, word: &str) -> Result<(), RouteRuleErrorKind> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(RouteRuleErrorKind::DuplicateCondition(word.into())),
    }
}

impl FromStr for RouteRule {
    type Err = RouteRuleError;

    fn from_str(text: &str) -> Result<Self, RouteRuleError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let parsed = match words.as_slice() {
            [.., "->"] | [] => Err(RouteRuleErrorKind::MissingGroup),
            [conditions @ .., "->", group] => parse(conditions, group),
            _ => Err(RouteRuleErrorKind::MissingGroup),
        };
        parsed.map_err(|kind| RouteRuleError { rule: words.join(" "), kind })
    }
}

fn parse(conditions: &[&str], group: &str) -> Result<RouteRule, RouteRuleErrorKind> {
    if !is_group_name(group) {
        return Err(RouteRuleErrorKind::InvalidGroupName(group.into()));
    }
    let mut rule = RouteRule { host: None, path: None, conditions: Vec::new(), group: group.into() };
    for word in conditions {
        rule.add_condition(word)?;
    }
    rule.conditions.sort_unstable();
    Ok(rule)
}

impl fmt::Display for RouteRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "host={host} ")?;
        }
        if let Some(path) = &self.path {
            write!(f, "path={path} ")?;
        }
        for condition in &self.conditions {
            write!(f, "{condition} ")?;
        }
        write!(f, "-> {}", self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_and_shown() {
        for (text, shown) in [
            ("path=/api/* -> api", "path=/api/* -> api"),
            ("  ->   web ", "-> web"),
            (
                "cookie=canary:1 query=v:2\tquery=w header=X-Env:a:b method=PUT,GET,PUT path=*.png host=A.example -> b-1",
                "host=a.example path=*.png method=GET,PUT header=x-env:a:b query=v:2 query=w cookie=canary:1 -> b-1",
            ),
        ] {
            let rule: RouteRule = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(rule.to_string(), shown);
            assert_eq!(shown.parse(), Ok(rule), "what is shown can be written");
        }
    }

    #[test]
    fn a_wrong_rule_is_refused_with_its_word() {
        for (text, expected) in [
            ("", "must end with '-> GROUP'"),
            ("path=/api", "must end with '-> GROUP'"),
            ("path=/api ->", "must end with '-> GROUP'"),
            ("path=/api->api", "must end with '-> GROUP'"),
            ("path=/api -> api web", "must end with '-> GROUP'"),
            ("path=/api -> -> web", "'->' is no condition"),
            ("path=/api -> a/b", "'a/b' is not the name of a group"),
            ("/api -> api", "'/api' is no condition; known are host=, path="),
            ("port=80 -> api", "'port=80' is no condition"),
            ("path=/a path=/b -> api", "'path=/b' says again"),
            ("host=a host=a -> api", "'host=a' says again"),
            ("method=GET method=PUT -> api", "'method=PUT' says again"),
            ("query=a query=a -> api", "'query=a' says again"),
            ("host=a:80 -> api", "'a:80' is not a host"),
            ("path=api -> api", "'api' is not a path"),
            ("path=/a%2fb\n -> api", "'/a%2fb': the path hides"),
            ("method=get -> api", "'get' is not a method"),
            ("header=:b -> api", "':b' is not NAME or NAME:VALUE"),
        ] {
            let line = text.parse::<RouteRule>().unwrap_err().to_string();
            assert!(line.starts_with("route '") && line.contains(expected), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
    }
}
