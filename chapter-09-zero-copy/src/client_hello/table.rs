//! All SNI rules in the order in which they were given, and the group that a connection goes to.
//!
//! The first rule that matches decides, as in HAProxy; the HTTP rules of chapter 4 are ordered by how specific they are.
//! A connection is matched once in its life, so the rules are tried one by one.

use super::{hello::ClientHello, rule::SniRule};

/// The rules of a balancer, validated against its groups.
#[derive(Clone, Debug, Default)]
pub struct SniTable {
    /// Each with the index of its group.
    rules: Vec<(SniRule, usize)>,
}

/// Why the rules and groups are inconsistent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SniTableError {
    /// A rule refers to an unknown group.
    #[error("SNI rule '{rule}': unknown group '{group}'; known: {known_groups}")]
    UnknownGroup {
        /// The rule.
        rule: String,
        /// The unknown group.
        group: String,
        /// The known groups.
        known_groups: String,
    },
    /// A rule can never match, because an earlier one matches all its connections.
    #[error("SNI rule '{second}' never matches, because '{first}' is tried before it")]
    Unreachable {
        /// The earlier rule.
        first: String,
        /// The rule that never matches.
        second: String,
    },
}

impl SniTable {
    /// Resolves the groups of the rules; `groups` are the known names.
    pub fn new(rules: Vec<SniRule>, groups: &[impl AsRef<str>]) -> Result<Self, SniTableError> {
        let mut table = Self::default();
        for rule in rules {
            let Some(group) = groups.iter().position(|name| name.as_ref() == rule.group()) else {
                let names: Vec<_> = groups.iter().map(AsRef::as_ref).collect();
                let (group, known_groups) = (rule.group().to_owned(), names.join(", "));
                return Err(SniTableError::UnknownGroup { rule: rule.to_string(), group, known_groups });
            };
            if let Some((first, _)) = table.rules.iter().find(|(earlier, _)| earlier.covers(&rule)) {
                return Err(SniTableError::Unreachable { first: first.to_string(), second: rule.to_string() });
            }
            table.rules.push((rule, group));
        }
        Ok(table)
    }

    /// The group of the first rule that matches, by its index among the names that were passed to [`new`](Self::new).
    /// `None` if no rule matches.
    pub fn find(&self, hello: &ClientHello<'_>) -> Option<usize> {
        self.rules.iter().find(|(rule, _)| rule.matches(hello)).map(|(_, group)| *group)
    }

    /// Whether there are no rules, so that connections need not be read.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}
