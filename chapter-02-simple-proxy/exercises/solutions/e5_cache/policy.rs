//! What a shared cache may store, and how long it is fresh (RFC 9111): functions of the headers, without a store.

use std::time::{Duration, SystemTime};

use crate::contracts::{BackendResponse, CacheRequest, Validators};

type Fields<'a> = [(&'a str, &'a str)];

/// Whether the response may be stored and reused for other clients (§3; §3.5 for `Authorization`).
pub(super) fn may_store(request: &CacheRequest<'_>, response: &BackendResponse<'_>) -> bool {
    let is_authorized = values(request.fields, "Authorization").next().is_some();
    let is_shareable =
        || ["public", "must-revalidate", "s-maxage"].iter().any(|name| has_directive(response.fields, name));
    request.method == "GET"
        && response.status == 200
        && !has_directive(request.fields, "no-store")
        && !has_directive(response.fields, "no-store")
        && !has_directive(response.fields, "private")
        // The RFC allows storing it, but then all clients would share one session.
        && values(response.fields, "Set-Cookie").next().is_none()
        && vary_names(response.fields).all(|name| name != "*")
        && (!is_authorized || is_shareable())
        && has_explicit_lifetime(response.fields)
}

fn has_explicit_lifetime(fields: &Fields<'_>) -> bool {
    has_directive(fields, "s-maxage") || has_directive(fields, "max-age") || values(fields, "Expires").next().is_some()
}

/// How long the response is fresh (§4.2.1).
pub(super) fn lifetime(fields: &Fields<'_>, now: SystemTime) -> Duration {
    if has_directive(fields, "no-cache") {
        return Duration::ZERO;
    }
    seconds(fields, "s-maxage").or_else(|| seconds(fields, "max-age")).unwrap_or_else(|| {
        // `Expires: 0` is not a date, and means a time in the past (§5.3).
        let expires = date(fields, "Expires").unwrap_or(SystemTime::UNIX_EPOCH);
        expires.duration_since(date(fields, "Date").unwrap_or(now)).unwrap_or_default()
    })
}

/// The age of the response when it arrives: other caches may have stored it before (§4.2.3).
pub(super) fn initial_age(fields: &Fields<'_>, now: SystemTime) -> Duration {
    let age_header = values(fields, "Age").next().map(delta_seconds).unwrap_or_default();
    let apparent = date(fields, "Date").and_then(|date| now.duration_since(date).ok()).unwrap_or_default();
    age_header.max(apparent)
}

pub(super) fn validators(fields: &Fields<'_>) -> Validators {
    let first = |name| values(fields, name).next().map(str::to_owned);
    Validators { etag: first("ETag"), last_modified: first("Last-Modified") }
}

/// The names in all `Vary` headers.
pub(super) fn vary_names<'a>(fields: &'a Fields<'a>) -> impl Iterator<Item = &'a str> {
    values(fields, "Vary").flat_map(elements)
}

/// All values of a header as one list; `None` if there is no such header, which differs from an empty one.
pub(super) fn combined(fields: &Fields<'_>, name: &str) -> Option<String> {
    let all: Vec<_> = values(fields, name).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Whether `Cache-Control` has this directive, with or without an argument. `private="X"` would allow storing the rest;
/// treating it as `private` is allowed and safe.
pub(super) fn has_directive(fields: &Fields<'_>, directive: &str) -> bool {
    directives(fields).any(|(name, _)| name.eq_ignore_ascii_case(directive))
}

fn seconds(fields: &Fields<'_>, directive: &str) -> Option<Duration> {
    let result = directives(fields).find(|(name, _)| name.eq_ignore_ascii_case(directive));
    result.map(|(_, argument)| delta_seconds(argument))
}

/// A number of seconds; 0 if it is not a number, and the maximum if it is too large (§1.2.2).
fn delta_seconds(text: &str) -> Duration {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Duration::ZERO;
    }
    Duration::from_secs(text.parse::<u32>().unwrap_or(u32::MAX).into())
}

fn date(fields: &Fields<'_>, name: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(values(fields, name).next()?).ok()
}

/// The directives of all `Cache-Control` headers, with their unquoted arguments, or empty strings.
fn directives<'a>(fields: &'a Fields<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let all = values(fields, "Cache-Control").flat_map(elements);
    all.map(|directive| {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        (name.trim_end(), argument.trim().trim_matches('"'))
    })
}

/// The values of all headers of this name.
fn values<'a>(fields: &'a Fields<'a>, name: &str) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The elements of a list; a comma in quotes is not a separator.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let elements = value.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    elements.map(str::trim).filter(|element| !element.is_empty())
}
