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
    checked::Checked,
    limits::{HeaderStyle, Limits},
};

const POLICY: &str = "RateLimit-Policy";
const STATUS: &str = "RateLimit";

/// Rounded up: who waits for it must not come too early.
pub(super) fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))).unwrap_or(u32::MAX)
}

/// Adds the headers for the limits that a request was checked against.
pub(super) fn put_ratelimit_fields(
    limits: &Limits,
    checked: &[Checked],
    response: &ResponseInfo<'_>,
    edits: &mut HeaderEdits<'_>,
) {
    if matches!(limits.headers, HeaderStyle::Draft | HeaderStyle::Both) {
        let theirs = take_backend_items(POLICY, response, edits);
        edits.add(POLICY, Policies { limits, checked, theirs: &theirs });
        let theirs = take_backend_items(STATUS, response, edits);
        edits.add(STATUS, Statuses { limits, checked, theirs: &theirs });
    }
    if matches!(limits.headers, HeaderStyle::Legacy | HeaderStyle::Both)
        && let Some(least) = checked.iter().min_by_key(|checked| checked.decision.remaining)
    {
        let rate = limits.in_order[least.limit].rule.quota.rate;
        let seconds = whole_seconds(least.decision.reset);
        let values = [rate.count().get(), least.decision.remaining, seconds];
        for (name, value) in ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"].into_iter().zip(values)
        {
            edits.remove(name);
            edits.add(name, value);
        }
    }
}

/// The items of the backend's list with this name, which is replaced.
fn take_backend_items<'a>(
    name: &'static str,
    response: &ResponseInfo<'a>,
    edits: &mut HeaderEdits<'_>,
) -> Vec<BackendItem<'a>> {
    let mut items = Vec::new();
    for value in response.header_values(name) {
        edits.remove(name);
        items.extend(list_members(value).filter_map(BackendItem::parse));
    }
    items
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
        let is_list = parameters.is_empty() || parameters.starts_with(';');
        if !is_plain || !is_list {
            return None;
        }
        let value_of =
            |parameter: &'a str| parameter.trim_ascii().strip_prefix("r=").and_then(|value| value.parse().ok());
        Some(Self { name, text, remaining: parameters.split(';').find_map(value_of) })
    }
}

/// The value of `RateLimit-Policy`.
struct Policies<'a> {
    limits: &'a Limits,
    checked: &'a [Checked],
    theirs: &'a [BackendItem<'a>],
}

/// The value of `RateLimit`.
struct Statuses<'a> {
    limits: &'a Limits,
    checked: &'a [Checked],
    theirs: &'a [BackendItem<'a>],
}

impl Display for Policies<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for limit in self.checked.iter().map(|checked| &self.limits.in_order[checked.limit]) {
            let rate = limit.rule.quota.rate;
            write!(f, "{separator}\"{}\";q={};w={}", limit.name, rate.count(), rate.period().seconds())?;
            separator = ", ";
        }
        put_others(f, self.limits, self.checked, self.theirs)
    }
}

impl Display for Statuses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for Checked { limit, decision, .. } in self.checked {
            let name = &self.limits.in_order[*limit].name;
            let has_less = |item: &&BackendItem<'_>| {
                item.name == name && item.remaining.is_some_and(|remaining| remaining < decision.remaining.into())
            };
            f.write_str(separator)?;
            match self.theirs.iter().find(has_less) {
                Some(stricter) => f.write_str(stricter.text)?,
                None => write!(f, "\"{name}\";r={};t={}", decision.remaining, whole_seconds(decision.reset))?,
            }
            separator = ", ";
        }
        put_others(f, self.limits, self.checked, self.theirs)
    }
}

/// The backend's items whose names are not ours.
fn put_others(
    f: &mut fmt::Formatter<'_>,
    limits: &Limits,
    checked: &[Checked],
    theirs: &[BackendItem<'_>],
) -> fmt::Result {
    let is_ours = |name: &str| checked.iter().any(|checked| limits.in_order[checked.limit].name == name);
    theirs.iter().filter(|item| !is_ours(item.name)).try_for_each(|item| write!(f, ", {}", item.text))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        algorithm::{Decision, tests::epoch},
        filter::limits::{LimitsConfig, RateLimits},
        table::Key,
    };

    fn limits(now: Instant) -> RateLimits {
        let rule = |name: &str, text: &str| (name.to_owned(), text.parse().unwrap());
        let config = LimitsConfig {
            rules: vec![rule("login", "10/m by=ip"), rule("all", "100/s by=global")],
            exempt: Vec::new(),
            dry_run: false,
            max_keys: 8.try_into().unwrap(),
            headers: HeaderStyle::Both,
        };
        RateLimits::new(config, 1.try_into().unwrap(), now)
    }

    fn checked(limit: usize, remaining: u32, reset: Duration) -> Checked {
        let decision = Decision { allowed: true, remaining, reset, retry_after: Duration::ZERO };
        Checked { limit, key: Key::from_hash(1), decision }
    }

    #[test]
    fn a_backends_items_follow_and_a_stricter_one_wins() {
        let RateLimits(limits) = limits(epoch());
        let checked = [checked(0, 3, Duration::from_millis(5_001)), checked(1, 99, Duration::from_millis(10))];
        for (theirs, expected) in [
            ("", r#""login";r=3;t=6, "all";r=99;t=1"#),
            (r#""tenant";r=7;t=9"#, r#""login";r=3;t=6, "all";r=99;t=1, "tenant";r=7;t=9"#),
            (r#" "login";t=60;r=2 ,"all";r=100;t=1"#, r#""login";t=60;r=2, "all";r=99;t=1"#),
            (r#""a, b";r=1"#, r#""login";r=3;t=6, "all";r=99;t=1, "a, b";r=1"#),
            (r#"broken, "x"y, "esc\"aped";r=1, "";r=0"#, r#""login";r=3;t=6, "all";r=99;t=1"#),
        ] {
            let theirs: Vec<_> = list_members(theirs.as_bytes()).filter_map(BackendItem::parse).collect();
            let statuses = Statuses { limits: &limits, checked: &checked, theirs: &theirs };
            assert_eq!(statuses.to_string(), expected);
        }
        let theirs: Vec<_> = list_members(br#""login";q=5;w=60, "x";q=1"#).filter_map(BackendItem::parse).collect();
        let policies = Policies { limits: &limits, checked: &checked, theirs: &theirs };
        assert_eq!(policies.to_string(), r#""login";q=10;w=60, "all";q=100;w=1, "x";q=1"#);
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), u32::MAX);
    }
}
