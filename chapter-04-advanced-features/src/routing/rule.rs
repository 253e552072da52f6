//! A routing rule: conditions, and the group for requests that match all of them.
//!
//! ```text
//! host=*.a.example path=/api/* method=GET,POST header=X-Env:beta query=v:2 cookie=canary:1 -> api
//! ```
//!
//! Words separated by blanks; each condition is `NAME=VALUE`, in any order. `host`, `path` and `method` may occur once,
//! the others any number of times. A rule without conditions (`-> web`) matches all requests that no other rule
//! matches. `name=api` is no condition: it names the rule in metrics.

use std::{fmt, str::FromStr};

use super::{
    condition::{Condition, ConditionError},
    group_spec::is_group_name,
    pattern::{HostPattern, HostPatternError, PathPattern, PathPatternError},
    request_info::RequestInfo,
};

/// Conditions and a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteRule {
    name: Option<String>,
    host: Option<HostPattern>,
    path: Option<PathPattern>,
    /// Sorted, without duplicates: two rules are equal if their conditions are.
    conditions: Vec<Condition>,
    group: String,
}

/// Why a text is not a [`RouteRule`]: one line with the rule and the invalid word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("route '{rule}': {kind}")]
pub struct RouteRuleError {
    /// The rule, on one line.
    pub rule: String,
    /// What is wrong with it.
    #[source]
    pub kind: RouteRuleErrorKind,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it all")]
pub enum RouteRuleErrorKind {
    #[error("it must end with '-> GROUP'")]
    MissingGroup,
    #[error("invalid group name '{0}'")]
    InvalidGroupName(String),
    #[error("unknown condition '{0}'; known: host=, path=, method=, header=, query=, cookie=, name=")]
    UnknownCondition(String),
    #[error("invalid name '{0}': 1 to 64 letters, digits, '-', '_' and '.', and neither 'default' nor 'other'")]
    InvalidName(String),
    #[error("'{0}' is a duplicate condition")]
    DuplicateCondition(String),
    #[error(transparent)]
    InvalidHost(#[from] HostPatternError),
    #[error(transparent)]
    InvalidPath(#[from] PathPatternError),
    #[error(transparent)]
    InvalidCondition(#[from] ConditionError),
}

/// The names of requests that no rule matches, and of rules that do not get a series of their own.
const RESERVED_NAMES: [&str; 2] = ["default", "other"];

/// What a request must have to match a rule; the default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouteMatch {
    /// The host.
    pub host: Option<HostPattern>,
    /// The path.
    pub path: Option<PathPattern>,
    /// Further conditions, all of which must hold.
    pub conditions: Vec<Condition>,
}

impl RouteRule {
    /// A rule from its parts, for programs that do not read it from a line of text. `group` is any word that the table
    /// of the rules knows.
    pub fn new(name: Option<String>, matched: RouteMatch, group: String) -> Self {
        let RouteMatch { host, path, mut conditions } = matched;
        conditions.sort_unstable();
        conditions.dedup();
        Self { name, host, path, conditions, group }
    }

    /// Its name in metrics: the one that it was given, or else its conditions; `*` if it has none.
    pub fn name(&self) -> String {
        match (&self.name, self.to_string().rsplit_once("-> ")) {
            (Some(name), _) => name.clone(),
            (None, Some((conditions, _))) if !conditions.is_empty() => conditions.trim_end().to_owned(),
            (None, _) => "*".to_owned(),
        }
    }

    /// The group that matching requests go to.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The host pattern, if there is one.
    pub fn host(&self) -> Option<&HostPattern> {
        self.host.as_ref()
    }

    /// The path pattern, if there is one.
    pub fn path(&self) -> Option<&PathPattern> {
        self.path.as_ref()
    }

    /// The further conditions, sorted.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Whether the request matches the further conditions: all but host and path.
    pub fn matches_conditions(&self, info: &RequestInfo<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.matches(info))
    }

    fn add_condition(&mut self, word: &str) -> Result<(), RouteRuleErrorKind> {
        let unknown = || RouteRuleErrorKind::UnknownCondition(word.into());
        let (kind, value) = word.split_once('=').ok_or_else(unknown)?;
        let condition = match kind {
            "name" if !is_group_name(value) || RESERVED_NAMES.contains(&value) => {
                return Err(RouteRuleErrorKind::InvalidName(value.into()));
            }
            "name" => return set_once(&mut self.name, value.into(), word),
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

fn set_once<T>(slot: &mut Option<T>, value: T, word: &str) -> Result<(), RouteRuleErrorKind> {
    match slot.replace(value) {
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
    let mut rule = RouteRule { name: None, host: None, path: None, conditions: Vec::new(), group: group.into() };
    for word in conditions {
        rule.add_condition(word)?;
    }
    rule.conditions.sort_unstable();
    Ok(rule)
}

impl fmt::Display for RouteRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "name={name} ")?;
        }
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
    fn parses_and_displays_a_rule() {
        for (text, displayed) in [
            ("path=/api/* -> api", "path=/api/* -> api"),
            ("  ->   web ", "-> web"),
            ("path=/a name=the-a -> web", "name=the-a path=/a -> web"),
            (
                "cookie=canary:1 query=v:2\tquery=w header=X-Env:a:b method=PUT,GET,PUT path=*.png host=A.example -> b-1",
                "host=a.example path=*.png method=GET,PUT header=x-env:a:b query=v:2 query=w cookie=canary:1 -> b-1",
            ),
        ] {
            let rule: RouteRule = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(rule.to_string(), displayed);
            assert_eq!(displayed.parse(), Ok(rule), "what is displayed can be parsed");
        }
    }

    #[test]
    fn a_rule_is_named_by_its_conditions_unless_it_has_a_name() {
        for (text, name) in [
            ("-> web", "*"),
            ("method=GET path=/a/* -> web", "path=/a/* method=GET"),
            ("header=X:->b -> web", "header=x:->b"),
            ("path=/a/* name=a.b-C_9 -> web", "a.b-C_9"),
        ] {
            assert_eq!(text.parse::<RouteRule>().unwrap().name(), name);
        }
    }

    #[test]
    fn errors_quote_the_rule_and_the_word() {
        for (text, expected) in [
            ("", "must end with '-> GROUP'"),
            ("path=/api", "must end with '-> GROUP'"),
            ("path=/api ->", "must end with '-> GROUP'"),
            ("path=/api->api", "must end with '-> GROUP'"),
            ("path=/api -> api web", "must end with '-> GROUP'"),
            ("path=/api -> -> web", "unknown condition '->'"),
            ("path=/api -> a/b", "invalid group name 'a/b'"),
            ("/api -> api", "unknown condition '/api'; known: host=, path="),
            ("name= -> api", "invalid name ''"),
            ("name=a\"b -> api", "invalid name 'a\"b'"),
            ("name=default -> api", "invalid name 'default'"),
            ("name=a name=b -> api", "'name=b' is a duplicate"),
            ("port=80 -> api", "unknown condition 'port=80'"),
            ("path=/a path=/b -> api", "'path=/b' is a duplicate"),
            ("host=a host=a -> api", "'host=a' is a duplicate"),
            ("method=GET method=PUT -> api", "'method=PUT' is a duplicate"),
            ("query=a query=a -> api", "'query=a' is a duplicate"),
            ("host=a:80 -> api", "'a:80' is not a host"),
            ("path=api -> api", "'api' is not a path"),
            ("path=/a%2fb\n -> api", "'/a%2fb': the path contains a percent-encoded"),
            ("method=get -> api", "invalid method 'get'"),
            ("header=:b -> api", "':b' is not NAME or NAME:VALUE"),
        ] {
            let line = text.parse::<RouteRule>().unwrap_err().to_string();
            assert!(line.starts_with("route '") && line.contains(expected), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
    }
}
