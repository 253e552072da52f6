//! Routes that never get a request.
//!
//! The most specific route wins, whatever its place, so the only unreachable one is one that asks the same as another: then
//! the first wins.

use std::{collections::HashMap, str::FromStr};

use advanced_features::routing::{
    condition::Condition,
    pattern::{HostPattern, PathPattern},
};

use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics},
    jsonc::{Data, Member, Object, Value},
    source::Span,
};

/// What a route asks of a request, in one spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Conditions {
    host: Option<HostPattern>,
    path: Option<PathPattern>,
    others: Vec<Condition>,
}

/// The first of routes that ask the same, and the listeners it is for; `None`: all.
struct First<'a> {
    span: Span,
    listeners: Option<Vec<&'a str>>,
}

/// Reports http listeners of a configuration that has no route at all.
pub(super) fn check_any(roots: &[&Object], diagnostics: &mut Diagnostics) {
    // The short form has a route of its own.
    if roots.iter().any(|root| root.get("routes").is_some() || root.get("backends").is_some()) {
        return;
    }
    let listeners =
        roots.iter().filter_map(|root| root.get("listeners")?.as_object()).flat_map(|listeners| &listeners.0);
    let is_http = |listener: &&Member| {
        let protocol = listener.value.as_object().map(|object| object.get("protocol").and_then(Value::as_text));
        protocol.is_some_and(|protocol| protocol.is_none_or(|protocol| protocol == "http"))
    };
    if let Some(listener) = listeners.into_iter().find(is_http) {
        let diagnostic = Diagnostic::new(Code::NoRoute, listener.key_span, "there is no route: every request gets 404");
        let diagnostic = diagnostic.path(format!("listeners.{}", listener.key));
        diagnostics.push(diagnostic.help("add \"routes\": [{\"group\": NAME}]"));
    }
}

/// The names that metrics have for requests without a route, and for routes beyond what they count apart.
const RESERVED_NAMES: [&str; 2] = ["default", "other"];

/// Reports names of routes that two have, or that none may have.
pub(super) fn check_names(roots: &[&Object], diagnostics: &mut Diagnostics) {
    let mut known: HashMap<&str, Span> = HashMap::new();
    for root in roots {
        let routes = root.get("routes").and_then(Value::as_array).unwrap_or_default();
        let names =
            routes.iter().enumerate().filter_map(|(index, route)| Some((index, route.as_object()?.get("name")?)));
        for (index, value) in names {
            let Some(name) = value.as_text() else { continue };
            let path = format!("routes[{index}].name");
            if RESERVED_NAMES.contains(&name) {
                let message = format!("'{name}' has a meaning in metrics; choose another name");
                diagnostics.push(Diagnostic::new(Code::Conflict, value.span, message).path(path));
            } else if let Some(first) = known.get(name) {
                let diagnostic = Diagnostic::new(Code::DuplicateKey, value.span, "another route has this name");
                diagnostics.push(diagnostic.path(path).related(*first, "first here"));
            } else {
                known.insert(name, value.span);
            }
        }
    }
}

/// Reports unreachable routes.
pub(super) fn check(roots: &[&Object], diagnostics: &mut Diagnostics) {
    let mut by_conditions: HashMap<Conditions, Vec<First<'_>>> = HashMap::new();
    for root in roots {
        let routes = root.get("routes").and_then(Value::as_array).unwrap_or_default();
        for (index, route) in routes.iter().enumerate() {
            let Some(object) = route.as_object() else { continue };
            let Ok(conditions) = conditions(object) else { continue };
            let listeners = object.get("listeners").and_then(Value::as_array);
            let listeners = listeners.map(|names| names.iter().filter_map(Value::as_text).collect::<Vec<_>>());
            let earlier = by_conditions.entry(conditions).or_default();
            if let Some(first) = earlier.iter().find(|first| overlap(first.listeners.as_deref(), listeners.as_deref()))
            {
                let diagnostic = Diagnostic::new(
                    Code::UnreachableRoute,
                    opening(route.span),
                    "this route never gets a request: another asks for the same",
                );
                let diagnostic = diagnostic.path(format!("routes[{index}]")).related(first.span, "this one gets them");
                diagnostics.push(diagnostic.help("join the two, or add a condition to one"));
            } else {
                earlier.push(First { span: opening(route.span), listeners });
            }
        }
    }
}

fn opening(span: Span) -> Span {
    Span { end: span.start + 1, ..span }
}

fn overlap(one: Option<&[&str]>, other: Option<&[&str]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.iter().any(|name| other.contains(name)),
        _ => true,
    }
}

/// A condition is wrong, which has been reported.
struct Wrong;

fn conditions(route: &Object) -> Result<Conditions, Wrong> {
    let Some(wanted) = route.get("match") else { return Ok(Conditions::default()) };
    let wanted = wanted.as_object().ok_or(Wrong)?;
    let mut others: Vec<Condition> = wanted.get("method").map(methods).transpose()?.into_iter().collect();
    for member in members(wanted, "header")? {
        others.push(Condition::Header(member.key.to_ascii_lowercase(), expected(member)?));
    }
    for member in members(wanted, "query")? {
        others.push(Condition::Query(member.key.clone(), expected(member)?));
    }
    for member in members(wanted, "cookie")? {
        others.push(Condition::Cookie(member.key.clone(), expected(member)?));
    }
    others.sort_unstable();
    others.dedup();
    let host = wanted.get("host").map(parsed).transpose()?;
    Ok(Conditions { host, path: wanted.get("path").map(parsed).transpose()?, others })
}

fn methods(value: &Value) -> Result<Condition, Wrong> {
    let text = |method: &Value| method.as_text().map(str::to_owned).ok_or(Wrong);
    let mut methods = value.one_or_more().iter().map(text).collect::<Result<Vec<_>, _>>()?;
    methods.sort_unstable();
    methods.dedup();
    Ok(Condition::Method(methods))
}

fn members<'a>(wanted: &'a Object, key: &str) -> Result<&'a [Member], Wrong> {
    wanted.get(key).map_or(Ok(&[]), |value| Ok(&value.as_object().ok_or(Wrong)?.0))
}

/// The value that is expected; any, if it is null.
fn expected(member: &Member) -> Result<Option<String>, Wrong> {
    match &member.value.data {
        Data::Null => Ok(None),
        Data::Text(text) => Ok(Some(text.clone())),
        _ => Err(Wrong),
    }
}

fn parsed<T: FromStr>(value: &Value) -> Result<T, Wrong> {
    value.as_text().and_then(|text| text.parse().ok()).ok_or(Wrong)
}
