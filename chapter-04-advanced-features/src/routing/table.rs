//! The routing table: all rules in order of precedence, and the group that a request matches.
//!
//! WHEN TO USE IT: when one address serves several programs. Without rules it costs nothing, and a request is not
//! inspected unless affinity or the hash key needs it. With rules: 100 to 200 ns for the [`RequestInfo`] and the search
//! of the index (`rule_index`), with one rule or ten thousand; then 100 ns for each condition by header, query or cookie
//! of the rules that have this host and path.
//!
//! Precedence: exact host, then the longest `*.host`, then none; among those exact path, longest prefix, longest
//! suffix, none; among those the most further conditions; then the order in which they were given. HAProxy uses only
//! the order given, nginx has an order like ours for `location`.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use common::http::RouteId;

use super::{
    request_info::RequestInfo,
    rule::RouteRule,
    rule_index::{ResolvedRule, RuleIndex},
};

/// The routing rules of a balancer, validated against its groups.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    index: RuleIndex,
    names: Vec<RouteName>,
}

/// A rule in metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteName {
    /// Its name ([`RouteRule::name`]), which no other rule of the table has.
    pub name: String,
    /// The index of its group.
    pub group: usize,
}

/// How many groups there may be, and how many rules: their ids have 16 bits.
const MAX_IDS: usize = 1 << 16;

/// Why the rules and groups are inconsistent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteTableError {
    /// Two groups have the same name.
    #[error("duplicate group '{0}'")]
    DuplicateGroup(String),
    /// A rule refers to an unknown group.
    #[error("route '{rule}': unknown group '{group}'; known: {known_groups}")]
    UnknownGroup {
        /// The rule.
        rule: String,
        /// The unknown group.
        group: String,
        /// The known groups.
        known_groups: String,
    },
    /// More rules or groups than there are ids.
    #[error("too many groups or routes; at most {MAX_IDS} each")]
    TooMany,
    /// Two rules have the same conditions.
    #[error("route '{second}' has the same conditions as route '{first}'")]
    DuplicateRule {
        /// The first rule.
        first: String,
        /// The second rule, which could never match.
        second: String,
    },
    /// Two rules have the same name.
    #[error("route '{rule}': another route is named '{name}'")]
    DuplicateName {
        /// The second rule.
        rule: String,
        /// The name.
        name: String,
    },
}

impl RouteTable {
    /// Indexes the rules and resolves their groups; `groups` are the known names.
    pub fn new(rules: Vec<RouteRule>, groups: &[impl AsRef<str>]) -> Result<Self, RouteTableError> {
        let names: Vec<&str> = groups.iter().map(AsRef::as_ref).collect();
        let group_indexes = index_names(&names)?;
        check_for_duplicates(&rules)?;
        if names.len() > MAX_IDS || rules.len() > MAX_IDS {
            return Err(RouteTableError::TooMany);
        }
        let resolve = |(id, rule): (RouteId, RouteRule)| match group_indexes.get(rule.group()) {
            Some(&group) => Ok(ResolvedRule { id, rule, group }),
            None => Err(RouteTableError::UnknownGroup {
                rule: rule.to_string(),
                group: rule.group().into(),
                known_groups: names.join(", "),
            }),
        };
        let rules = (0..=u16::MAX).map(RouteId).zip(rules).map(resolve).collect::<Result<Vec<_>, _>>()?;
        let names = rules.iter().map(|ResolvedRule { rule, group, .. }| RouteName { name: rule.name(), group: *group });
        Ok(Self { names: names.collect(), index: RuleIndex::new(rules) })
    }

    /// The rules' names and groups, by [`RouteId`].
    pub fn names(&self) -> &[RouteName] {
        &self.names
    }

    /// The rule that the request matches, by its index among those that were passed to [`new`](Self::new), and its
    /// group, by its index there. `None` if no rule matches.
    pub fn match_rule(&self, info: &RequestInfo<'_>) -> Option<(RouteId, usize)> {
        self.index.find(info).map(|route| (route.id, route.group))
    }

    /// Whether there are no rules, so that requests need not be inspected.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

fn index_names<'a>(names: &[&'a str]) -> Result<HashMap<&'a str, usize>, RouteTableError> {
    let mut indexes = HashMap::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if indexes.insert(*name, index).is_some() {
            return Err(RouteTableError::DuplicateGroup((*name).to_owned()));
        }
    }
    Ok(indexes)
}

fn check_for_duplicates(rules: &[RouteRule]) -> Result<(), RouteTableError> {
    let mut known = HashMap::with_capacity(rules.len());
    let mut names = HashSet::with_capacity(rules.len());
    for rule in rules {
        match known.entry((rule.host(), rule.path(), rule.conditions())) {
            Entry::Vacant(entry) => _ = entry.insert(rule),
            Entry::Occupied(first) => {
                let first = first.get().to_string();
                return Err(RouteTableError::DuplicateRule { first, second: rule.to_string() });
            }
        }
        if !names.insert(rule.name()) {
            return Err(RouteTableError::DuplicateName { rule: rule.to_string(), name: rule.name() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::request_info::with_request_info;

    const GROUPS: [&str; 4] = ["web", "api", "files", "canary"];

    fn routes(rules: &[&str]) -> Result<RouteTable, RouteTableError> {
        RouteTable::new(rules.iter().map(|rule| rule.parse().unwrap()).collect(), &GROUPS)
    }

    fn selected(routes: &RouteTable, lines: &[&str]) -> Option<&'static str> {
        with_request_info(lines, |info| routes.match_rule(info)).map(|(_, group)| GROUPS[group])
    }

    #[test]
    fn the_most_specific_rule_wins_whatever_the_order() {
        let mut rules = vec![
            "-> web",
            "path=*.png -> files",
            "path=/api/* -> api",
            "path=/api/v2/* -> canary",
            "path=/api/v2/old -> web",
            "path=/api/* cookie=canary:1 -> canary",
            "host=*.files.example -> files",
            "host=*.deep.files.example -> api",
            "host=files.example path=/api/* -> files",
        ];
        for _ in 0..rules.len() {
            rules.rotate_left(1);
            let routes = routes(&rules).unwrap();
            for (target, host, cookie, expected) in [
                ("/", "x", "", "web"),
                ("/a.png", "x", "", "files"),
                ("/api", "x", "", "api"),
                ("/apix", "x", "", "web"),
                ("/api/a.png", "x", "", "api"),
                ("/x/../%61pi", "x", "", "api"),
                ("//api/1", "x", "", "api"),
                ("/api/v2", "x", "", "canary"),
                ("/api/v2/old", "x", "", "web"),
                ("/api/v1", "x", "canary=1", "canary"),
                ("/api/v2/1", "a.files.example", "canary=1", "files"),
                ("/", "a.deep.files.example:80", "", "api"),
                ("/api/v2/1", "FILES.example.", "canary=1", "files"),
                ("/a", "files.example", "", "web"),
            ] {
                let lines =
                    [&*format!("GET {target} HTTP/1.1"), &format!("Host: {host}"), &format!("Cookie: {cookie}")];
                assert_eq!(selected(&routes, &lines), Some(expected), "{lines:?}");
            }
        }
    }

    #[test]
    fn at_equal_precedence_the_first_given_wins() {
        let lines = ["GET / HTTP/1.1", "Host: a", "X: 1", "Y: 1"];
        assert_eq!(selected(&routes(&["header=X -> web", "header=Y -> api"]).unwrap(), &lines), Some("web"));
        assert_eq!(selected(&routes(&["header=Y -> api", "header=X -> web"]).unwrap(), &lines), Some("api"));
        let both = routes(&["header=X -> web", "header=Y header=X -> api"]).unwrap();
        assert_eq!(selected(&both, &lines), Some("api"));
        let id = with_request_info(&lines, |info| both.match_rule(info)).map(|(id, _)| id);
        assert_eq!(id, Some(RouteId(1)), "the second that was given");
    }

    #[test]
    fn without_a_matching_rule_there_is_no_group() {
        let lines = ["GET / HTTP/1.1", "Host: a"];
        assert_eq!(selected(&routes(&[]).unwrap(), &lines), None);
        assert_eq!(selected(&routes(&["path=/x -> api", "host=b -> web"]).unwrap(), &lines), None);
        assert!(routes(&[]).unwrap().is_empty() && !routes(&["host=b -> web"]).unwrap().is_empty());
    }

    #[test]
    fn rejects_unknown_groups_and_duplicates() {
        for (rules, expected) in [
            (["path=/a -> app", "-> web"], "route 'path=/a -> app': unknown group 'app'; known: web, api"),
            (
                ["path=/a -> api", "path=/a -> web"],
                "route 'path=/a -> web' has the same conditions as route 'path=/a -> api'",
            ),
            (["host=A query=b query=a -> api", "query=a query=b host=a. -> api"], "has the same conditions"),
            (["path=/a/* -> api", "path=/%61/* -> web"], "has the same conditions"),
            (["method=PUT,GET -> api", "method=GET,PUT -> web"], "has the same conditions"),
            (["-> api", "-> web"], "has the same conditions"),
            (["path=/a name=x -> api", "path=/b name=x -> web"], "'name=x path=/b -> web': another route is named 'x'"),
        ] {
            let line = routes(&rules).unwrap_err().to_string();
            assert!(line.contains(expected), "{line}");
        }
        let line = RouteTable::new(vec![], &["a", "b", "a"]).unwrap_err().to_string();
        assert_eq!(line, "duplicate group 'a'");
    }
}
