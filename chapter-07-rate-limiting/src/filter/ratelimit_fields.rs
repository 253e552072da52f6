//! The headers that tell clients about their limits.
//!
//! `RateLimit-Policy: "login";q=10;w=60` says what a limit is; `RateLimit: "login";r=3;t=6` what is left of it, and in
//! how many seconds more will be (draft-ietf-httpapi-ratelimit-headers-10). Both are lists of items, each a quoted name
//! with parameters (RFC 9651). A backend may have limits of its own, and say so in the same headers: its items follow
//! ours, and of two with the same name the one with less left is sent, because an intermediary must not promise more
//! than the origin.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use common::http::{HeaderEdits, ResponseInfo};

use super::{
    checked::CheckedLimit,
    limits::{HeaderStyle, Limits},
};

const POLICY: &str = "RateLimit-Policy";
const STATUS: &str = "RateLimit";
const LEGACY: [&str; 3] = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];

/// Rounded up, so that a client that waits this long is not too early.
pub(super) fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))).unwrap_or(u32::MAX)
}

/// Adds the headers for the limits that a request was checked against.
#[inline(never)]
pub(super) fn put_ratelimit_fields(
    limits: &Limits,
    checked: &[CheckedLimit],
    response: &ResponseInfo<'_>,
    edits: &mut HeaderEdits<'_>,
) {
    if matches!(limits.headers, HeaderStyle::Draft | HeaderStyle::Both) {
        // Nearly no backend has limits of its own.
        if response.has_header_of(&[POLICY, STATUS]) {
            put_merged_fields(limits, checked, response, edits);
        } else {
            edits.add_lines(|text| put_draft_lines(limits, checked, text));
        }
    }
    if matches!(limits.headers, HeaderStyle::Legacy | HeaderStyle::Both) {
        put_legacy_fields(limits, checked, response, edits);
    }
}

/// Both lists, our items only: nearly every response. Without `fmt`.
fn put_draft_lines(limits: &Limits, checked: &[CheckedLimit], text: &mut Vec<u8>) {
    if checked.len() == limits.in_order.len() {
        text.extend_from_slice(&limits.policy_line);
    } else {
        put_list(text, b"RateLimit-Policy: ", checked, |text, ours| {
            text.extend_from_slice(limits.in_order[ours.limit].policy_item.as_bytes());
        });
    }
    put_list(text, b"RateLimit: ", checked, |text, ours| {
        let decision = &ours.checked.decision;
        text.extend_from_slice(limits.in_order[ours.limit].status_prefix.as_bytes());
        put_status(text, decision.remaining, whole_seconds(decision.reset));
    });
}

#[inline]
fn put_list<const N: usize>(
    text: &mut Vec<u8>,
    name: &[u8; N],
    checked: &[CheckedLimit],
    put_item: impl Fn(&mut Vec<u8>, &CheckedLimit),
) {
    text.extend_from_slice(name);
    for (index, ours) in checked.iter().enumerate() {
        if index > 0 {
            text.extend_from_slice(b", ");
        }
        put_item(text, ours);
    }
    text.extend_from_slice(b"\r\n");
}

/// Writes the end of an item, such as `3;t=6`.
fn put_status(text: &mut Vec<u8>, remaining: u32, seconds: u32) {
    put_number(text, remaining);
    text.extend_from_slice(b";t=");
    put_number(text, seconds);
}

fn put_number(text: &mut Vec<u8>, number: u32) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Merges a backend's items into ours.
fn put_merged_fields(
    limits: &Limits,
    checked: &[CheckedLimit],
    response: &ResponseInfo<'_>,
    edits: &mut HeaderEdits<'_>,
) {
    // A backend that speaks another draft keeps its headers: ours beside them would make both unreadable.
    let (Some(policies), Some(statuses)) = (backend_items(POLICY, response), backend_items(STATUS, response)) else {
        return;
    };
    for (name, theirs) in [(POLICY, &policies), (STATUS, &statuses)] {
        if !theirs.is_empty() {
            edits.remove(name);
        }
    }
    edits.add(POLICY, Policies { limits, checked, theirs: &policies, their_statuses: &statuses });
    edits.add(STATUS, Statuses { limits, checked, theirs: &statuses });
}

/// The limit with the least left, unless the backend's has less.
fn put_legacy_fields(
    limits: &Limits,
    checked: &[CheckedLimit],
    response: &ResponseInfo<'_>,
    edits: &mut HeaderEdits<'_>,
) {
    let Some(least) = checked.iter().min_by_key(|limit| limit.checked.decision.remaining) else { return };
    let decision = least.checked.decision;
    if response.has_header_of(&LEGACY) {
        let theirs =
            response.header_values(LEGACY[1]).next().and_then(|value| str::from_utf8(value).ok()?.trim().parse().ok());
        if theirs.is_some_and(|theirs: u64| theirs < decision.remaining.into()) {
            return;
        }
        for name in LEGACY {
            edits.remove(name);
        }
    }
    let count = limits.in_order[least.limit].rule.quota.rate.count();
    edits.add_lines(|text| {
        for (name, value) in LEGACY.into_iter().zip([count.get(), decision.remaining, whole_seconds(decision.reset)]) {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b": ");
            put_number(text, value);
            text.extend_from_slice(b"\r\n");
        }
    });
}

/// The items of the backend's list with this name, without those that are broken; `None` if none of them is an item.
fn backend_items<'a>(name: &str, response: &ResponseInfo<'a>) -> Option<Vec<BackendItem<'a>>> {
    let mut members = response.header_values(name).flat_map(list_members).peekable();
    let is_absent = members.peek().is_none();
    let items: Vec<_> = members.filter_map(BackendItem::parse).collect();
    (is_absent || !items.is_empty()).then_some(items)
}

/// The members of a list, by the commas outside of quoted strings.
fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' => return !is_quoted,
            _ => {}
        }
        false
    })
}

/// An item of a backend's list, as it was sent.
#[derive(Clone, Copy, Debug)]
struct BackendItem<'a> {
    name: &'a str,
    text: &'a str,
    remaining: Option<u64>,
}

impl<'a> BackendItem<'a> {
    /// `None` for what is no quoted name with parameters: one broken item would make recipients ignore the whole list.
    fn parse(member: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(member).ok()?.trim_ascii();
        let (name, parameters) = text.strip_prefix('"')?.split_once('"')?;
        let is_plain = !name.is_empty() && name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\');
        let mut parts = parameters.split(';');
        // Nothing stands between the name and its first parameter.
        if !is_plain || parts.next() != Some("") || !parts.all(is_parameter) {
            return None;
        }
        let value_of =
            |parameter: &'a str| parameter.trim_ascii().strip_prefix("r=").and_then(|value| value.parse().ok());
        Some(Self { name, text, remaining: parameters.split(';').find_map(value_of) })
    }
}

/// Whether a text is a key with a value: a number, a token or a byte sequence. No limit has a string for a parameter.
fn is_parameter(text: &str) -> bool {
    let (key, value) = text.trim_ascii().split_once('=').unwrap_or((text.trim_ascii(), "?1"));
    let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte);
    let is_value = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.*:/+=?".contains(&byte);
    !key.is_empty() && key.bytes().all(is_key) && !value.is_empty() && value.bytes().all(is_value)
}

/// The value of `RateLimit-Policy`.
struct Policies<'a> {
    limits: &'a Limits,
    checked: &'a [CheckedLimit],
    theirs: &'a [BackendItem<'a>],
    /// The backend's items in the other list.
    their_statuses: &'a [BackendItem<'a>],
}

/// The value of `RateLimit`.
struct Statuses<'a> {
    limits: &'a Limits,
    checked: &'a [CheckedLimit],
    theirs: &'a [BackendItem<'a>],
}

impl Display for Policies<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for ours in self.checked {
            let limit = &self.limits.in_order[ours.limit];
            // Of the side whose status is sent.
            let is_stricter = stricter_item(self.their_statuses, &limit.name, ours).is_some();
            f.write_str(separator)?;
            match self.theirs.iter().find(|item| is_stricter && item.name == limit.name) {
                Some(theirs) => f.write_str(theirs.text)?,
                None => f.write_str(&limit.policy_item)?,
            }
            separator = ", ";
        }
        put_others(f, self.limits, self.checked, self.theirs)
    }
}

impl Display for Statuses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for ours in self.checked {
            let (limit, decision) = (&self.limits.in_order[ours.limit], ours.checked.decision);
            f.write_str(separator)?;
            match stricter_item(self.theirs, &limit.name, ours) {
                Some(stricter) => f.write_str(stricter.text)?,
                None => write!(f, "{}{};t={}", limit.status_prefix, decision.remaining, whole_seconds(decision.reset))?,
            }
            separator = ", ";
        }
        put_others(f, self.limits, self.checked, self.theirs)
    }
}

/// The backend's item of this name, if less remains of it than of our limit.
fn stricter_item<'a>(theirs: &'a [BackendItem<'a>], name: &str, ours: &CheckedLimit) -> Option<&'a BackendItem<'a>> {
    let has_less = |item: &&BackendItem<'_>| {
        item.name == name && item.remaining.is_some_and(|remaining| remaining < ours.checked.decision.remaining.into())
    };
    theirs.iter().filter(has_less).min_by_key(|item| item.remaining)
}

/// The backend's items whose names are not ours.
fn put_others(
    f: &mut fmt::Formatter<'_>,
    limits: &Limits,
    checked: &[CheckedLimit],
    theirs: &[BackendItem<'_>],
) -> fmt::Result {
    let is_ours = |name: &str| checked.iter().any(|checked| limits.in_order[checked.limit].name == name);
    theirs.iter().filter(|item| !is_ours(item.name)).try_for_each(|item| write!(f, ", {}", item.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        algorithm::Decision,
        filter::limits::{LimitsConfig, RateLimits, limiter_for},
        table::Key,
    };

    fn limits() -> RateLimits {
        let rule = |name: &str, text: &str| (name.to_owned(), text.parse().unwrap());
        let config = LimitsConfig {
            rules: vec![rule("login", "10/m by=ip"), rule("all", "100/s by=global")],
            exempt: Vec::new(),
            dry_run: false,
            max_keys: 8.try_into().unwrap(),
            headers: HeaderStyle::Both,
            max_clients_per_ip: None,
            bandwidth: None,
        };
        RateLimits::with_limiters(config, 1.try_into().unwrap(), common::clock::now(), limiter_for)
    }

    /// What a limit has decided that has so much left.
    fn checked(limit: usize, remaining: u32, reset: Duration) -> CheckedLimit {
        let RateLimits(limits) = limits();
        let mut checked = limits.in_order[limit].limiter.check(Key::from_hash(1), 0, Duration::ZERO);
        checked.decision = Decision { allowed: true, remaining, reset, retry_after: Duration::ZERO };
        CheckedLimit { limit, checked }
    }

    #[test]
    fn a_backends_items_follow_and_a_stricter_one_wins() {
        let RateLimits(limits) = limits();
        let checked = [checked(0, 3, Duration::from_millis(5_001)), checked(1, 99, Duration::from_millis(10))];
        for (theirs, expected) in [
            ("", r#""login";r=3;t=6, "all";r=99;t=1"#),
            (r#""tenant";r=7;t=9"#, r#""login";r=3;t=6, "all";r=99;t=1, "tenant";r=7;t=9"#),
            (r#" "login";t=60;r=2 ,"all";r=100;t=1"#, r#""login";t=60;r=2, "all";r=99;t=1"#),
            (r#""a, b";r=1"#, r#""login";r=3;t=6, "all";r=99;t=1, "a, b";r=1"#),
            (r#"broken, "x"y, "esc\"aped";r=1, "";r=0, "z"; %%, "w";"#, r#""login";r=3;t=6, "all";r=99;t=1"#),
            (r#""login";r=2, "login";r=1"#, r#""login";r=1, "all";r=99;t=1"#),
        ] {
            let theirs: Vec<_> = list_members(theirs.as_bytes()).filter_map(BackendItem::parse).collect();
            let statuses = Statuses { limits: &limits, checked: &checked, theirs: &theirs };
            assert_eq!(statuses.to_string(), expected);
        }
        let items =
            |list: &'static str| list_members(list.as_bytes()).filter_map(BackendItem::parse).collect::<Vec<_>>();
        let policies = items(r#""login";q=5;w=60, "x";q=1"#);
        for (statuses, expected) in [
            (r#""login";r=3"#, r#""login";q=10;w=60, "all";q=100;w=1, "x";q=1"#),
            (r#""login";r=2"#, r#""login";q=5;w=60, "all";q=100;w=1, "x";q=1"#),
        ] {
            let statuses = items(statuses);
            let merged = Policies { limits: &limits, checked: &checked, theirs: &policies, their_statuses: &statuses };
            assert_eq!(merged.to_string(), expected);
        }
    }

    #[test]
    fn the_short_way_writes_the_same_headers() {
        let RateLimits(limits) = limits();
        let checked = [checked(0, 3, Duration::from_millis(5_001)), checked(1, 99, Duration::from_millis(10))];
        for checked in [&checked[..], &checked[..1], &checked[1..]] {
            let policies = Policies { limits: &limits, checked, theirs: &[], their_statuses: &[] };
            let statuses = Statuses { limits: &limits, checked, theirs: &[] };
            let expected = format!("RateLimit-Policy: {policies}\r\nRateLimit: {statuses}\r\n");
            let mut text = Vec::new();
            put_draft_lines(&limits, checked, &mut text);
            assert_eq!(text.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
        }
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 7, 10, 99, 100, 1_000_000, u32::MAX] {
            let mut text = b"r=".to_vec();
            put_status(&mut text, number, u32::MAX - number);
            assert_eq!(text, format!("r={number};t={}", u32::MAX - number).into_bytes());
        }
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), u32::MAX);
    }
}
