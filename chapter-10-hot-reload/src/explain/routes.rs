//! The route that a request takes, and why it takes no other.

use std::net::IpAddr;

use advanced_features::routing::{
    RequestInfo, RouteRule, RouteTable, condition::Condition, pattern::HostPattern, rule::RouteMatch,
};
use ipnet::IpNet;

use super::{
    candidates,
    report::{Explanation, LimitReport, RouteReport, Verdict},
};
use crate::settings::{Limit, Match, Parsed, Route, Settings};

/// Follows a request that the balancer has accepted at `listener`.
pub(super) fn explain(settings: &Settings, listener: &str, info: &RequestInfo<'_>) -> Explanation {
    let winner = winner(settings, listener, info);
    let routes =
        settings.routes.iter().enumerate().map(|(index, route)| report(settings, index, route, winner, listener, info));
    let mut explanation = Explanation { routes: routes.collect(), ..Explanation::new(listener) };
    let Some(index) = winner else {
        explanation.status = Some(404);
        explanation.why = Some("no route is for this request".to_owned());
        return explanation;
    };
    let route = &settings.routes[index];
    explanation.route = Some(name_of(index, route));
    if let Some(why) = denied(route, info.client) {
        explanation.status = Some(403);
        explanation.why = Some(why);
        return explanation;
    }
    explanation.limits = limits(settings, route, info);
    if let Some((status, what)) =
        route.redirect.map(|to| (to, "a redirect")).or(route.respond.map(|with| (with, "a response of the route")))
    {
        explanation.status = Some(status.status);
        explanation.why = Some(what.to_owned());
        return explanation;
    }
    choose_group(settings, route, info, &mut explanation);
    explanation
}

/// The name of a route: its own, or its number in the file.
fn name_of(index: usize, route: &Route) -> String {
    route.name.clone().unwrap_or_else(|| format!("route {}", index + 1))
}

fn is_for(route: &Route, listener: &str) -> bool {
    route.listeners.as_ref().is_none_or(|names| names.iter().any(|name| name == listener))
}

/// The index of the route that the request takes, by the balancer's own table.
fn winner(settings: &Settings, listener: &str, info: &RequestInfo<'_>) -> Option<usize> {
    let indexes: Vec<usize> =
        (0..settings.routes.len()).filter(|index| is_for(&settings.routes[*index], listener)).collect();
    let words: Vec<String> = indexes.iter().map(ToString::to_string).collect();
    let rule = |index: &usize| {
        let matched = rule_match(&settings.routes[*index].conditions);
        RouteRule::new(Some(format!("r{index}")), matched, index.to_string())
    };
    let table = RouteTable::new(indexes.iter().map(rule).collect(), &words).ok()?;
    table.match_rule(info).map(|(_, position)| indexes[position])
}

fn rule_match(conditions: &Match) -> RouteMatch {
    RouteMatch {
        host: conditions.host.clone().map(|Parsed(host)| host),
        path: conditions.path.clone().map(|Parsed(path)| path),
        conditions: further_conditions(conditions),
    }
}

fn further_conditions(conditions: &Match) -> Vec<Condition> {
    let Match { method, header, query, cookie, .. } = conditions;
    let mut methods = method.as_slice().to_vec();
    methods.sort_unstable();
    methods.dedup();
    let methods = (!methods.is_empty()).then_some(Condition::Method(methods));
    let headers = header.iter().map(|(name, value)| Condition::Header(name.to_ascii_lowercase(), value.clone()));
    let queries = query.iter().map(|(name, value)| Condition::Query(name.clone(), value.clone()));
    let cookies = cookie.iter().map(|(name, value)| Condition::Cookie(name.clone(), value.clone()));
    methods.into_iter().chain(headers).chain(queries).chain(cookies).collect()
}

fn report(
    settings: &Settings,
    index: usize,
    route: &Route,
    winner: Option<usize>,
    listener: &str,
    info: &RequestInfo<'_>,
) -> RouteReport {
    let selected = winner == Some(index);
    let reason = match (mismatch(route, listener, info), winner) {
        (Some(mismatch), _) => mismatch,
        (None, Some(winner)) if !selected => {
            format!("it matches too, but '{}' is more specific", name_of(winner, &settings.routes[winner]))
        }
        (None, _) => "the most specific route that matches".to_owned(),
    };
    RouteReport { name: name_of(index, route), selected, reason }
}

/// What of the request a route does not match; `None` if it matches.
fn mismatch(route: &Route, listener: &str, info: &RequestInfo<'_>) -> Option<String> {
    if !is_for(route, listener) {
        return Some(format!("it is not for listener '{listener}'"));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(Parsed(host)) = &route.conditions.host
        && !host_matches(host, info.host())
    {
        return Some(format!("host {} is not {host}", text(info.host())));
    }
    if let Some(Parsed(path)) = &route.conditions.path
        && !info.path_matches(path)
    {
        return Some(format!("path {} is not {path}", text(info.path())));
    }
    let failed = further_conditions(&route.conditions).into_iter().find(|condition| !condition.matches(info))?;
    Some(match failed {
        Condition::Method(methods) => format!("method {} is not {}", text(info.method()), methods.join(" or ")),
        Condition::Header(name, value) => lacks("header", &name, value),
        Condition::Query(name, value) => lacks("query parameter", &name, value),
        Condition::Cookie(name, value) => lacks("cookie", &name, value),
    })
}

fn host_matches(pattern: &HostPattern, host: &[u8]) -> bool {
    match pattern {
        HostPattern::Exact(name) => host == name.as_bytes(),
        HostPattern::Wildcard(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_bytes()),
    }
}

fn lacks(what: &str, name: &str, value: Option<String>) -> String {
    value.map_or_else(|| format!("it has no {what} {name}"), |value| format!("it has no {what} {name} with '{value}'"))
}

/// Why a client may not use a route. The most specific network wins, and `allow` on a tie; a route that allows some
/// refuses all others.
fn denied(route: &Route, client: IpAddr) -> Option<String> {
    let longest = |networks: &[Parsed<IpNet>]| {
        let of_client = networks.iter().map(|Parsed(network)| *network).filter(|network| network.contains(&client));
        of_client.max_by_key(IpNet::prefix_len)
    };
    match (longest(route.allow.as_slice()), longest(route.deny.as_slice())) {
        (Some(allow), Some(deny)) if allow.prefix_len() >= deny.prefix_len() => None,
        (_, Some(deny)) => Some(format!("{client} is in {deny}, which is denied")),
        (None, None) if !route.allow.as_slice().is_empty() => {
            Some(format!("{client} is in no network that is allowed"))
        }
        (_, None) => None,
    }
}

/// The limits of the route in their order, then those of all requests.
fn limits(settings: &Settings, route: &Route, info: &RequestInfo<'_>) -> Vec<LimitReport> {
    let of_route = route.limits.iter().filter_map(|name| settings.limits.get_key_value(name));
    let global = settings.limits.iter().filter(|(name, limit)| limit.global && !route.limits.contains(name));
    of_route.chain(global).map(|(name, limit)| limit_report(settings, name, limit, info)).collect()
}

fn limit_report(settings: &Settings, name: &str, limit: &Limit, info: &RequestInfo<'_>) -> LimitReport {
    let client = info.client;
    let exempt = settings.limit_exempt.as_slice().iter().find(|Parsed(network)| network.contains(&client));
    let (verdict, reason) = match (&limit.rate, &limit.path) {
        _ if exempt.is_some() => (Verdict::Exempt, format!("{client} is exempt")),
        (_, Some(Parsed(path))) if !info.path_matches(path) => {
            (Verdict::Skipped, format!("path {} is not {path}", String::from_utf8_lossy(info.path())))
        }
        (Some(Parsed(rate)), _) => (Verdict::Counted, format!("{rate} by {}", limit.by)),
        (None, _) => (Verdict::Counted, format!("bandwidth by {}", limit.by)),
    };
    LimitReport { name: name.to_owned(), verdict, reason }
}

fn choose_group(settings: &Settings, route: &Route, info: &RequestInfo<'_>, explanation: &mut Explanation) {
    let weights = route.groups.iter().flatten().filter(|(_, weight)| **weight > 0);
    let weights: Vec<_> = weights.map(|(name, weight)| (name.as_str(), *weight)).collect();
    let name = match (&route.group, weights.as_slice()) {
        (Some(name), _) => name,
        (None, [(name, _)]) => *name,
        (None, several) => {
            let total: u32 = several.iter().map(|(_, weight)| weight).sum();
            let share = |&(name, weight): &(&str, u32)| (name.to_owned(), candidates::share(weight, total));
            explanation.groups = several.iter().map(share).collect();
            return;
        }
    };
    explanation.group = Some(name.to_owned());
    if let Some(group) = settings.groups.get(name) {
        candidates::explain(group, info, explanation);
    }
}
