//! The index against a list of all rules, which are tried one by one.

use proptest::prelude::*;

use super::*;
use crate::routing::request_info::with_request_info;

/// Whether the rule matches, by the definition of each pattern.
fn matches(rule: &RouteRule, info: &RequestInfo<'_>) -> bool {
    let host = rule.host().is_none_or(|host| match host {
        HostPattern::Exact(name) => info.host() == name.as_bytes(),
        HostPattern::Wildcard(suffix) => {
            info.host().strip_suffix(suffix.as_bytes()).is_some_and(|labels| !labels.is_empty())
        }
    });
    let path = rule.path().is_none_or(|pattern| info.path_matches(pattern));
    host && path && rule.matches_conditions(info)
}

/// Sorts the most specific rule first: by host, then by path, then by the number of further conditions.
fn specificity(rule: &RouteRule) -> impl Ord + use<> {
    let host = match rule.host() {
        Some(HostPattern::Exact(_)) => (0, Reverse(0)),
        Some(HostPattern::Wildcard(suffix)) => (1, Reverse(suffix.len())),
        None => (2, Reverse(0)),
    };
    let path = match rule.path() {
        Some(PathPattern::Exact(_)) => (0, Reverse(0)),
        Some(PathPattern::Prefix(prefix)) => (1, Reverse(prefix.len())),
        Some(PathPattern::Suffix(suffix)) => (2, Reverse(suffix.len())),
        None => (3, Reverse(0)),
    };
    (host, path, Reverse(rule.conditions().len()))
}

/// The rule that precedence gives to the request, found by trying all of them.
fn find_one_by_one(rules: &[RouteRule], info: &RequestInfo<'_>) -> Option<usize> {
    let matching = (0..rules.len()).filter(|index| matches(&rules[*index], info));
    // The first of equals.
    matching.min_by_key(|index| specificity(&rules[*index]))
}

fn index(rules: &[RouteRule]) -> RuleIndex {
    let resolved = |(id, rule): (u16, &RouteRule)| ResolvedRule { id: RouteId(id), rule: rule.clone(), group: 0 };
    RuleIndex::new((0..).zip(rules).map(resolved).collect())
}

/// Few names, so that patterns often match, and often more than one does.
fn rule() -> impl Strategy<Value = String> {
    let host = prop_oneof![2 => "", 1 => "host=(\\*\\.)?(a|a\\.a|b\\.a|a\\.b\\.a) "];
    let path = prop_oneof![
        1 => "",
        4 => "path=(/(a|b|a;v|a;b|;a)){1,2}(/\\*|/)? ",
        2 => "path=(/\\*|\\*(a|b|v|;v|;b|a;v)) ",
    ];
    let conditions = "(method=(GET|PUT) )?(header=x(:1)? )?(header=y )?(query=q )?";
    (host, path, conditions).prop_map(|(host, path, conditions)| format!("{host}{path}{conditions}-> g"))
}

/// The lines of a head.
fn request() -> impl Strategy<Value = [String; 3]> {
    let start_line = "(GET|PUT) (/(a|b|a;v|a;b|;a|\\.|)){1,3}/?(\\?q)? HTTP/1\\.1";
    let host = "Host: (a|\\.a|[ab]\\.a|b\\.a\\.a|A\\.B\\.A\\.)(:80)?";
    (start_line, host, "(x: [12]|y: 1)").prop_map(|(start_line, host, header)| [start_line, host, header])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finds_the_rule_that_trying_all_of_them_finds(
        rules in prop::collection::vec(rule(), 0..24), requests in prop::collection::vec(request(), 1..16),
    ) {
        let rules: Vec<RouteRule> = rules.iter().filter_map(|rule| rule.parse().ok()).collect();
        let index = index(&rules);
        for request in &requests {
            with_request_info(&request.each_ref().map(String::as_str), |info| {
                let found = index.find(info).map(|rule| usize::from(rule.id.0));
                assert_eq!(found, find_one_by_one(&rules, info), "{request:?}");
            });
        }
    }
}
