//! A routing rule for TLS connections: conditions, and the group for connections that match all of them.
//!
//! ```text
//! host=*.shop.example alpn=h2 -> shop
//! ```
//!
//! Words separated by blanks, as in the HTTP rules of chapter 4; each condition may occur once, in any order. A host is
//! compared ignoring case. As in nginx and Envoy, `*.a.example` matches `b.a.example` and `c.b.a.example`, at any depth,
//! and not `a.example` (a certificate's wildcard stands for one label only). `alpn=h2` matches if the client offers
//! `h2`, among others too. A rule without conditions (`-> web`) matches all connections, those without a name included.

use std::{fmt, str::FromStr};

use advanced_features::routing::pattern::{HostPattern, HostPatternError};

use super::{hello::ClientHello, server_name::is_host_name};

/// Conditions and a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SniRule {
    host: Option<HostPattern>,
    alpn: Option<String>,
    group: String,
}

/// Why a text is not a [`SniRule`]: one line with the rule and the invalid word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SNI rule '{rule}': {kind}")]
pub struct SniRuleError {
    /// The rule, on one line.
    pub rule: String,
    /// What is wrong with it.
    #[source]
    pub kind: SniRuleErrorKind,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it all")]
pub enum SniRuleErrorKind {
    #[error("it must end with '-> GROUP'")]
    MissingGroup,
    #[error("unknown condition '{0}'; known: host=, alpn=")]
    UnknownCondition(String),
    #[error("'{0}' is a duplicate condition")]
    DuplicateCondition(String),
    #[error(transparent)]
    InvalidHost(#[from] HostPatternError),
    #[error("'{0}' is an address or too long; TLS clients send host names only")]
    NotAHostName(String),
    #[error("invalid protocol '{0}': expected 1 to 255 visible ASCII characters, such as h2 or http/1.1")]
    InvalidProtocol(String),
}

impl SniRule {
    /// The group that matching connections go to.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Whether the connection matches all conditions.
    pub fn matches(&self, hello: &ClientHello<'_>) -> bool {
        let has_host = |pattern| hello.server_name().is_some_and(|name| host_matches(pattern, name));
        let has_protocol = |expected: &String| hello.alpn().any(|offered| offered == expected.as_bytes());
        self.host.as_ref().is_none_or(has_host) && self.alpn.as_ref().is_none_or(has_protocol)
    }

    /// Whether each connection that matches `other` matches this rule too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let covers_host = |pattern: &HostPattern| match (pattern, &other.host) {
            (HostPattern::Wildcard(suffix), Some(HostPattern::Wildcard(longer))) => longer.ends_with(suffix),
            (_, Some(HostPattern::Exact(name))) => host_matches(pattern, name),
            _ => false,
        };
        self.host.as_ref().is_none_or(covers_host) && (self.alpn.is_none() || self.alpn == other.alpn)
    }

    fn add_condition(&mut self, word: &str) -> Result<(), SniRuleErrorKind> {
        let is_new = match word.split_once('=') {
            Some(("host", value)) => self.host.replace(parse_host(value)?).is_none(),
            Some(("alpn", value)) => self.alpn.replace(parse_protocol(value)?).is_none(),
            _ => return Err(SniRuleErrorKind::UnknownCondition(word.into())),
        };
        if is_new { Ok(()) } else { Err(SniRuleErrorKind::DuplicateCondition(word.into())) }
    }
}

fn host_matches(pattern: &HostPattern, name: &str) -> bool {
    match pattern {
        HostPattern::Exact(expected) => expected.eq_ignore_ascii_case(name),
        // The suffix begins with a dot and no name does, so there is a label before it.
        HostPattern::Wildcard(suffix) => {
            let start = name.len().checked_sub(suffix.len());
            start.is_some_and(|start| name.as_bytes()[start..].eq_ignore_ascii_case(suffix.as_bytes()))
        }
    }
}

fn parse_host(value: &str) -> Result<HostPattern, SniRuleErrorKind> {
    let pattern: HostPattern = value.parse()?;
    let name = match &pattern {
        HostPattern::Exact(name) => name,
        HostPattern::Wildcard(suffix) => &suffix[1..],
    };
    if is_host_name(name.as_bytes()) { Ok(pattern) } else { Err(SniRuleErrorKind::NotAHostName(value.into())) }
}

fn parse_protocol(value: &str) -> Result<String, SniRuleErrorKind> {
    let is_protocol = (1..=255).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    if is_protocol { Ok(value.into()) } else { Err(SniRuleErrorKind::InvalidProtocol(value.into())) }
}

fn parse(words: &[&str]) -> Result<SniRule, SniRuleErrorKind> {
    let [conditions @ .., "->", group] = words else { return Err(SniRuleErrorKind::MissingGroup) };
    if *group == "->" {
        return Err(SniRuleErrorKind::MissingGroup);
    }
    let mut rule = SniRule { host: None, alpn: None, group: (*group).to_owned() };
    conditions.iter().try_for_each(|word| rule.add_condition(word))?;
    Ok(rule)
}

impl FromStr for SniRule {
    type Err = SniRuleError;

    fn from_str(text: &str) -> Result<Self, SniRuleError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        parse(&words).map_err(|kind| SniRuleError { rule: words.join(" "), kind })
    }
}

impl fmt::Display for SniRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "host={host} ")?;
        }
        if let Some(alpn) = &self.alpn {
            write!(f, "alpn={alpn} ")?;
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
            ("host=A.Example. -> web", "host=a.example -> web"),
            ("  alpn=http/1.1\thost=*.A_b.example   ->  w-1 ", "host=*.a_b.example alpn=http/1.1 -> w-1"),
            ("alpn=h2 -> grpc", "alpn=h2 -> grpc"),
            ("-> web", "-> web"),
        ] {
            let rule: SniRule = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(rule.to_string(), displayed);
            assert_eq!(displayed.parse(), Ok(rule), "what is displayed can be parsed");
        }
    }

    #[test]
    fn errors_quote_the_rule_and_the_word() {
        let long = format!("alpn={} -> web", "x".repeat(256));
        let long_host = format!("host={} -> web", vec!["x".repeat(60); 5].join("."));
        for (text, expected) in [
            ("", "must end with '-> GROUP'"),
            ("host=a.example", "must end with '-> GROUP'"),
            ("host=a.example ->", "must end with '-> GROUP'"),
            ("host=a.example -> ->", "must end with '-> GROUP'"),
            ("host=a.example -> a b", "must end with '-> GROUP'"),
            ("a.example -> web", "unknown condition 'a.example'; known: host=, alpn="),
            ("path=/ -> web", "unknown condition 'path=/'"),
            ("host=a host=b -> web", "'host=b' is a duplicate condition"),
            ("alpn=h2 alpn=h2 -> web", "'alpn=h2' is a duplicate condition"),
            ("host=a.example:443 -> web", "'a.example:443' is not a host"),
            ("host=* -> web", "'*' is not a host"),
            ("host=127.0.0.1 -> web", "'127.0.0.1' is an address"),
            ("host=[::1] -> web", "'[::1]' is an address"),
            ("alpn= -> web", "invalid protocol ''"),
            ("alpn=\u{e9} -> web", "invalid protocol '\u{e9}'"),
            (&long, "invalid protocol 'xxx"),
            (&long_host, "too long"),
        ] {
            let line = text.parse::<SniRule>().unwrap_err().to_string();
            assert!(line.starts_with("SNI rule '") && line.contains(expected), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
    }
}
