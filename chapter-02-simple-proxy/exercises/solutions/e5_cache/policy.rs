//! What a shared cache may keep, and for how long (RFC 9111): functions of the fields, without a store.

use std::time::{Duration, SystemTime};

use crate::contracts::{Answered, Asked, Validators};

type Fields<'a> = [(&'a str, &'a str)];

/// Whether the response may be kept and given to somebody else (§3; §3.5 for `Authorization`).
pub(super) fn may_store(request: &Asked<'_>, response: &Answered<'_>) -> bool {
    let is_personal = values(request.fields, "Authorization").next().is_some();
    let is_for_all = || ["public", "must-revalidate", "s-maxage"].iter().any(|name| says(response.fields, name));
    request.method == "GET"
        && response.status == 200
        && !says(request.fields, "no-store")
        && !says(response.fields, "no-store")
        && !says(response.fields, "private")
        // The RFC would let it be kept. Then everybody would get the same session.
        && values(response.fields, "Set-Cookie").next().is_none()
        && varied_by(response.fields).all(|name| name != "*")
        && (!is_personal || is_for_all())
        && says_how_long(response.fields)
}

fn says_how_long(fields: &Fields<'_>) -> bool {
    says(fields, "s-maxage") || says(fields, "max-age") || values(fields, "Expires").next().is_some()
}

/// How long the response is good without asking (§4.2.1).
pub(super) fn lifetime(fields: &Fields<'_>, now: SystemTime) -> Duration {
    if says(fields, "no-cache") {
        return Duration::ZERO;
    }
    seconds(fields, "s-maxage").or_else(|| seconds(fields, "max-age")).unwrap_or_else(|| {
        // `Expires: 0` is no date, and meant to be the past (§5.3).
        let expires = date(fields, "Expires").unwrap_or(SystemTime::UNIX_EPOCH);
        expires.duration_since(date(fields, "Date").unwrap_or(now)).unwrap_or_default()
    })
}

/// How old the response is when it arrives: other caches may have kept it before (§4.2.3).
pub(super) fn initial_age(fields: &Fields<'_>, now: SystemTime) -> Duration {
    let told = values(fields, "Age").next().map(delta_seconds).unwrap_or_default();
    let apparent = date(fields, "Date").and_then(|date| now.duration_since(date).ok()).unwrap_or_default();
    told.max(apparent)
}

pub(super) fn validators(fields: &Fields<'_>) -> Validators {
    let first = |name| values(fields, name).next().map(str::to_owned);
    Validators { etag: first("ETag"), last_modified: first("Last-Modified") }
}

/// The names in all `Vary` fields.
pub(super) fn varied_by<'a>(fields: &'a Fields<'a>) -> impl Iterator<Item = &'a str> {
    values(fields, "Vary").flat_map(elements)
}

/// All values of a field as one list; `None` if there is no such field, which is not the same as an empty one.
pub(super) fn combined(fields: &Fields<'_>, name: &str) -> Option<String> {
    let all: Vec<_> = values(fields, name).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Whether `Cache-Control` has this directive, with an argument or without. `private="X"` would let the rest be kept;
/// to take it for `private` is allowed and safe.
pub(super) fn says(fields: &Fields<'_>, directive: &str) -> bool {
    directives(fields).any(|(name, _)| name.eq_ignore_ascii_case(directive))
}

fn seconds(fields: &Fields<'_>, directive: &str) -> Option<Duration> {
    let found = directives(fields).find(|(name, _)| name.eq_ignore_ascii_case(directive));
    found.map(|(_, argument)| delta_seconds(argument))
}

/// A number of seconds; 0 if it is none, for then nothing is known, and as long as can be if it is too large (§1.2.2).
fn delta_seconds(text: &str) -> Duration {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Duration::ZERO;
    }
    Duration::from_secs(text.parse::<u32>().unwrap_or(u32::MAX).into())
}

fn date(fields: &Fields<'_>, name: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(values(fields, name).next()?).ok()
}

/// The directives of all `Cache-Control` fields, with their arguments without quotes, empty if there are none.
fn directives<'a>(fields: &'a Fields<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let all = values(fields, "Cache-Control").flat_map(elements);
    all.map(|directive| {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        (name.trim_end(), argument.trim().trim_matches('"'))
    })
}

/// The values of all fields of this name.
fn values<'a>(fields: &'a Fields<'a>, name: &str) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The elements of a list; a comma in quotes separates nothing.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let elements = value.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    elements.map(str::trim).filter(|element| !element.is_empty())
}
