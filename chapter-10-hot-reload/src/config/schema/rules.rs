//! What holds between the keys of one object.

use std::{collections::HashMap, time::Duration};

use common::endpoint::Endpoint;

use super::{format::parse_duration, scope::Scope};
use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics},
    jsonc::{Data, Value},
    source::Span,
};

/// Whether the value is 0, or a duration of 0.
fn is_zero(value: &Value) -> bool {
    value.as_integer() == Some(0) || value.as_text().and_then(|text| parse_duration(text).ok()) == Some(Duration::ZERO)
}

/// Reports a second key of `keys`; `what` says what the object is.
fn at_most_one(scope: &Scope<'_>, diagnostics: &mut Diagnostics, keys: &[&str], what: &str) {
    let mut present = scope.object.0.iter().filter(|member| keys.contains(&member.key.as_str()));
    let Some(first) = present.next() else { return };
    for other in present.filter(|other| other.key != first.key) {
        let message = format!("{what} has either '{}' or '{}'", first.key, other.key);
        let diagnostic = scope.at(other, Code::Conflict, message);
        diagnostics.push(diagnostic.related(first.key_span, "the other one"));
    }
}

/// A listener without routes has a group.
pub(super) fn listener_group(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    let protocol = scope.text("protocol", "http");
    if ["tcp", "udp"].contains(&protocol) && scope.get("group").is_none() {
        let message = format!("a {protocol} listener needs the key 'group': there are no routes for it");
        diagnostics.push(scope.here(Code::MissingKey, message));
    }
}

const TARGETS: [&str; 4] = ["group", "groups", "redirect", "respond"];

/// A route leads to exactly one thing.
pub(super) fn route_target(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    at_most_one(scope, diagnostics, &TARGETS, "a route");
    if !TARGETS.iter().any(|key| scope.get(key).is_some()) {
        diagnostics
            .push(scope.here(Code::MissingKey, "a route needs one of 'group', 'groups', 'redirect' and 'respond'"));
    }
    if let Some(groups) = scope.object.member("groups")
        && let Data::Object(weights) = &groups.value.data
        && weights.0.iter().all(|member| is_zero(&member.value))
    {
        let what = if weights.0.is_empty() { "no group is named" } else { "all weights are 0" };
        diagnostics.push(scope.at(groups, Code::WeightsZero, format!("{what}, so this route leads nowhere")));
    }
}

/// An error page, a response, … has one body.
pub(super) fn one_body(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    at_most_one(scope, diagnostics, &["body", "file"], "it");
}

/// A secret stands in a file or in the environment.
pub(super) fn one_secret(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    at_most_one(scope, diagnostics, &["file", "env"], "a secret");
    if scope.object.0.is_empty() {
        diagnostics.push(scope.here(Code::MissingKey, "a secret needs 'file' or 'env'"));
    }
}

/// Ten times as many as the growth of the algorithms and the checks is measured with.
const MAX_BACKENDS: usize = 10_000;

/// A group has backends, of which some may be picked.
pub(super) fn group_backends(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    let Some(member) = scope.object.member("backends") else { return };
    let Some(backends) = member.value.as_array() else { return };
    if backends.is_empty() {
        diagnostics.push(scope.at(member, Code::Range, "a group needs at least one backend"));
        return;
    }
    let weight_zero = |backend: &Value| match &backend.data {
        Data::Text(text) => text.parse().is_ok_and(|endpoint: Endpoint| endpoint.weight == Some(0)),
        Data::Object(object) => object.get("weight").is_some_and(is_zero),
        _ => false,
    };
    if backends.iter().all(weight_zero) {
        diagnostics.push(scope.at(member, Code::WeightsZero, "all weights are 0, so no backend can be picked"));
    }
    if backends.len() > MAX_BACKENDS {
        let message = format!("{} backends; a group has at most {MAX_BACKENDS}", backends.len());
        diagnostics.push(scope.at(member, Code::TooLarge, message));
        return;
    }
    let mut seen: HashMap<String, Span> = HashMap::new();
    for (index, backend) in backends.iter().enumerate() {
        let Some(address) = backend_address(backend) else { continue };
        if let Some(first) = seen.get(&address) {
            let path = format!("{}[{index}]", scope.path_of("backends"));
            let message = format!("backend {address} is there twice");
            let diagnostic = Diagnostic::new(Code::DuplicateKey, backend.span, message).path(path);
            diagnostics.push(diagnostic.related(*first, "first here").help("give it more weight instead"));
        } else {
            seen.insert(address, backend.span);
        }
    }
}

/// A host and a port as one text; an IPv6 address gets brackets if it has none.
pub(crate) fn host_and_port(host: &str, port: u64) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// `host:port` of a backend in either form, if it is right.
pub(in crate::config) fn backend_address(backend: &Value) -> Option<String> {
    let text = match &backend.data {
        Data::Text(text) => text.clone(),
        Data::Object(object) => host_and_port(object.get("host")?.as_text()?, object.get("port")?.as_integer()?),
        _ => return None,
    };
    Some(text.parse::<Endpoint>().ok()?.to_string())
}

/// Weights need an algorithm that looks at them.
pub(super) fn group_algorithm(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    let Some(member) = scope.object.member("algorithm") else { return };
    let Some(word) = member.value.as_text() else { return };
    let Some(algorithm) = super::keys::algorithm(word) else { return };
    let weight_of = |backend: &Value| match &backend.data {
        Data::Text(text) => text.parse().ok().and_then(|endpoint: Endpoint| endpoint.weight).map(u64::from),
        Data::Object(object) => object.get("weight")?.as_integer(),
        _ => None,
    };
    let backends = scope.get("backends").and_then(Value::as_array).unwrap_or_default();
    let weighted = backends.iter().find(|backend| weight_of(backend).is_some_and(|weight| weight != 1));
    if let Some(backend) = weighted.filter(|_| !algorithm.supports_weights()) {
        let instead = if word.starts_with('l') { "wlc" } else { "wrr" };
        let diagnostic = scope.at(member, Code::Conflict, format!("'{word}' ignores weights, but a backend has one"));
        diagnostics.push(diagnostic.related(backend.span, "this one").help(format!("use \"{instead}\"")));
    }
    if scope.get("balance_factor").is_some() && !algorithm.is_consistent_hash() {
        let factor = scope.object.member("balance_factor").expect("it has just been found");
        diagnostics.push(scope.at(factor, Code::Conflict, "bounded load is for ketama, rendezvous and maglev"));
    }
}

/// A check ends before the next begins.
pub(super) fn health_check(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    let duration = |key, default| match scope.get(key) {
        Some(value) => parse_duration(value.as_text()?).ok(),
        None => parse_duration(default).ok(),
    };
    if let (Some(interval), Some(timeout)) = (duration("interval", "2s"), duration("timeout", "1s"))
        && timeout >= interval
    {
        let key = ["timeout", "interval"].into_iter().find_map(|key| scope.object.member(key));
        let message =
            format!("a check may take {timeout:?}, as long as the {interval:?} between two of them or longer");
        if let Some(member) = key {
            diagnostics
                .push(scope.at(member, Code::CheckTimeout, message).help("make the timeout shorter than the interval"));
        }
    }
}

/// A limit counts requests or bytes.
pub(super) fn limit_kind(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    at_most_one(scope, diagnostics, &["rate", "bandwidth"], "a limit");
    if scope.get("bandwidth").is_some() {
        let by = scope.text("by", "ip");
        if !["ip", "connection"].contains(&by)
            && let Some(member) = scope.object.member("by")
        {
            diagnostics.push(scope.at(member, Code::Conflict, "bandwidth is counted by \"ip\" or \"connection\""));
        }
    } else if scope.get("rate").is_none() {
        diagnostics.push(scope.here(Code::MissingKey, "a limit needs 'rate' or 'bandwidth'"));
    } else if scope.text("by", "ip") == "connection"
        && let Some(member) = scope.object.member("by")
    {
        diagnostics.push(scope.at(member, Code::Conflict, "only bandwidth is counted by \"connection\""));
    }
}

/// A bandwidth limits something.
pub(super) fn bandwidth(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    if scope.get("down").is_none() && scope.get("up").is_none() {
        diagnostics.push(scope.here(Code::MissingKey, "a bandwidth needs 'down', 'up' or both"));
    }
}

/// A drain lets requests end.
pub(super) fn drain(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    for key in ["drain", "drain_timeout"] {
        if let Some(member) = scope.object.member(key).filter(|member| is_zero(&member.value)) {
            diagnostics.push(scope.at(
                member,
                Code::DrainZero,
                "a stop or a reload will cut off every request in flight",
            ));
        }
    }
}

/// Not everybody is a trusted proxy.
pub(super) fn trusted_proxies(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    let networks = scope.get("trusted_proxies").map(Value::one_or_more).unwrap_or_default();
    let everybody = networks.iter().filter(|value| value.as_text().is_some_and(|text| text.ends_with("/0")));
    for value in everybody {
        let message = "every client can then forge its address, its protocol and its host";
        let diagnostic = Diagnostic::new(Code::TrustEveryone, value.span, message);
        diagnostics.push(diagnostic.path(scope.path_of("trusted_proxies")).help("name the networks of your proxies"));
    }
}
