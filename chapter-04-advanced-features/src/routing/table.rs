//! All rules, the one that knows best first, and which group a request is for.
//!
//! WHEN TO USE IT: when one address serves several programs. Without rules it costs nothing, and neither do the
//! facts, if nobody else asks for them. With rules: about 100 ns for the facts, one lookup of the host in a map, then
//! the rules of that host and those of no exact host one by one, about 10 ns each by path or wildcard, 100 ns by
//! header or cookie. That is fine for dozens; for thousands of paths on one host you want a tree of segments, as
//! Envoy and Traefik have it.
//!
//! Precedence: exact host, then the longest `*.host`, then none; among those exact path, longest prefix, longest
//! suffix, none; among those the most further conditions; then the order in which they were given. HAProxy takes
//! rules in the order given alone, nginx has an order like ours for `location`.

use std::collections::HashMap;

use super::{pattern::HostPattern, request_info::RequestInfo, rule::RouteRule};

/// The rules of a balancer, checked against its groups.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// Those of one exact host: they come before all others.
    exact_host_rules: HashMap<Box<[u8]>, Vec<ResolvedRule>>,
    other_rules: Vec<ResolvedRule>,
}

#[derive(Clone, Debug)]
struct ResolvedRule {
    rule: RouteRule,
    group: usize,
}

/// Why rules and groups do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteTableError {
    /// Two groups have one name.
    #[error("duplicate group '{0}'")]
    DuplicateGroup(String),
    /// A rule for a group that is not there.
    #[error("route '{rule}': unknown group '{group}'; known: {known_groups}")]
    UnknownGroup {
        /// The rule.
        rule: String,
        /// The group it names.
        group: String,
        /// Those that are there.
        known_groups: String,
    },
    /// Two rules ask the same.
    #[error("route '{second}' has the same conditions as route '{first}'")]
    DuplicateRule {
        /// The one that came first.
        first: String,
        /// The one that could never be taken.
        second: String,
    },
}

impl RouteTable {
    /// The rules in their order of precedence; `groups` are the names that they may use.
    pub fn new(rules: Vec<RouteRule>, groups: &[impl AsRef<str>]) -> Result<Self, RouteTableError> {
        let names: Vec<&str> = groups.iter().map(AsRef::as_ref).collect();
        if let Some((_, name)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(RouteTableError::DuplicateGroup((*name).to_owned()));
        }
        for (at, rule) in rules.iter().enumerate() {
            if let Some(first) = rules[..at].iter().find(|other| other.has_same_conditions(rule)) {
                return Err(RouteTableError::DuplicateRule { first: first.to_string(), second: rule.to_string() });
            }
        }
        let mut routes = rules
            .into_iter()
            .map(|rule| match names.iter().position(|name| *name == rule.group()) {
                Some(group) => Ok(ResolvedRule { rule, group }),
                None => Err(RouteTableError::UnknownGroup {
                    rule: rule.to_string(),
                    group: rule.group().into(),
                    known_groups: names.join(", "),
                }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        // A stable sort: equal ones stay in the order given.
        routes.sort_by_cached_key(|route| route.rule.precedence());
        let mut all = Self::default();
        for route in routes {
            match route.rule.host() {
                Some(HostPattern::Exact(host)) => {
                    all.exact_host_rules.entry(host.as_bytes().into()).or_default().push(route)
                }
                _ => all.other_rules.push(route),
            }
        }
        Ok(all)
    }

    /// The index of the group that the request is for, among those that [`new`](Self::new) was given. `None` if no
    /// rule is for it.
    pub fn match_group(&self, info: &RequestInfo<'_>) -> Option<usize> {
        self.find(info).map(|route| route.group)
    }

    /// Whether there are no rules, so that nothing has to be asked.
    pub fn is_empty(&self) -> bool {
        self.exact_host_rules.is_empty() && self.other_rules.is_empty()
    }

    fn find(&self, info: &RequestInfo<'_>) -> Option<&ResolvedRule> {
        let of_host = self.exact_host_rules.get(info.host()).into_iter().flatten();
        of_host
            .filter(|route| route.rule.matches_ignoring_host(info))
            .chain(self.other_rules.iter().filter(|route| route.rule.matches(info)))
            .next()
    }
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
        with_request_info(lines, |info| routes.match_group(info)).map(|group| GROUPS[group])
    }

    #[test]
    fn the_closest_match_wins_whatever_the_order() {
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
    fn among_equals_the_first_given_wins() {
        let lines = ["GET / HTTP/1.1", "Host: a", "X: 1", "Y: 1"];
        assert_eq!(selected(&routes(&["header=X -> web", "header=Y -> api"]).unwrap(), &lines), Some("web"));
        assert_eq!(selected(&routes(&["header=Y -> api", "header=X -> web"]).unwrap(), &lines), Some("api"));
        let both = routes(&["header=X -> web", "header=Y header=X -> api"]).unwrap();
        assert_eq!(selected(&both, &lines), Some("api"));
        let deciding = with_request_info(&lines, |info| both.find(info).map(|route| route.rule.to_string()));
        assert_eq!(deciding.as_deref(), Some("header=x header=y -> api"));
    }

    #[test]
    fn without_a_rule_there_is_no_group() {
        let lines = ["GET / HTTP/1.1", "Host: a"];
        assert_eq!(selected(&routes(&[]).unwrap(), &lines), None);
        assert_eq!(selected(&routes(&["path=/x -> api", "host=b -> web"]).unwrap(), &lines), None);
        assert!(routes(&[]).unwrap().is_empty() && !routes(&["host=b -> web"]).unwrap().is_empty());
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused() {
        for (rules, expected) in [
            (["path=/a -> app", "-> web"], "route 'path=/a -> app': there is no group 'app'; known are web, api"),
            (["path=/a -> api", "path=/a -> web"], "route 'path=/a -> web' asks the same as route 'path=/a -> api'"),
            (["host=A query=b query=a -> api", "query=a query=b host=a. -> api"], "asks the same"),
            (["path=/a/* -> api", "path=/%61/* -> web"], "asks the same"),
            (["method=PUT,GET -> api", "method=GET,PUT -> web"], "asks the same"),
            (["-> api", "-> web"], "asks the same"),
        ] {
            let line = routes(&rules).unwrap_err().to_string();
            assert!(line.contains(expected), "{line}");
        }
        let line = RouteTable::new(vec![], &["a", "b", "a"]).unwrap_err().to_string();
        assert_eq!(line, "two groups have the name 'a'");
    }
}
