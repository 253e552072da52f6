//! Conditional requests (RFC 9110 §13): a client that has a version of a file already sends its validators.

use std::time::SystemTime;

use common::http::HeadView;

use super::entity_tag::{Comparison, EntityTag};

/// What identifies the version of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validators {
    /// `ETag`.
    pub(super) entity_tag: EntityTag,
    /// `Last-Modified`, not later than the response itself (RFC 9110 §8.8.2.1).
    pub(super) last_modified: SystemTime,
}

/// The result of a request's preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precondition {
    /// Answer as if there were none.
    Holds,
    /// The client has this version: 304.
    NotModified,
    /// The client wants another version: 412.
    Failed,
}

impl Validators {
    /// Of a file that was `modified` last at this time, and is `size` bytes long.
    pub(super) fn new(modified: SystemTime, size: u64, now: SystemTime) -> Self {
        Self { entity_tag: EntityTag::new(modified, size, now), last_modified: modified.min(now) }
    }

    /// Evaluates the preconditions of a GET or HEAD in the order of RFC 9110 §13.2.2. A date that is none is ignored,
    /// and dates are ignored beside tags, which are more exact.
    pub(super) fn check(&self, head: HeadView<'_>) -> Precondition {
        let has = |name| values(head, name).next().is_some();
        let names = |name, comparison| values(head, name).any(|list| self.entity_tag.is_in(list, comparison));
        if has("If-Match") {
            if !names("If-Match", Comparison::Strong) {
                return Precondition::Failed;
            }
        } else if date(head, "If-Unmodified-Since").is_some_and(|date| self.is_modified_since(date)) {
            return Precondition::Failed;
        }
        let is_current = if has("If-None-Match") {
            names("If-None-Match", Comparison::Weak)
        } else {
            date(head, "If-Modified-Since").is_some_and(|date| !self.is_modified_since(date))
        };
        if is_current { Precondition::NotModified } else { Precondition::Holds }
    }

    /// Whether a range of this version would continue what the client has: `If-Range` is absent, or names exactly this
    /// version. A date counts only where a tag would be strong, because a file can change twice in a second.
    pub(super) fn allow_range(&self, head: HeadView<'_>) -> bool {
        let mut conditions = values(head, "If-Range");
        match (conditions.next(), conditions.next()) {
            (None, _) => true,
            (Some(condition), None) => {
                let is_date = parse_date(condition).is_some_and(|date| seconds(date) == seconds(self.last_modified));
                self.entity_tag.is_strong && is_date
                    || condition != b"*" && self.entity_tag.is_in(condition, Comparison::Strong)
            }
            (Some(_), Some(_)) => false,
        }
    }

    /// HTTP dates have no fractions of a second.
    fn is_modified_since(&self, date: SystemTime) -> bool {
        seconds(self.last_modified) > seconds(date)
    }
}

/// The values of all headers of this name.
pub(super) fn values<'a>(head: HeadView<'a>, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let named = move |(known, _): &(&[u8], &[u8])| known.eq_ignore_ascii_case(name.as_bytes());
    head.fields().filter(named).map(|(_, value)| value)
}

fn date(head: HeadView<'_>, name: &str) -> Option<SystemTime> {
    let mut found = values(head, name).map(parse_date);
    let date = found.next()?;
    if found.next().is_some() { None } else { date }
}

fn parse_date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()
}

/// Since 1970; the time of a file before that is as good as 1970, which is what its `Last-Modified` says.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::http::Head;

    use super::*;

    const TIME: &str = "Thu, 01 Jan 1970 01:00:00 GMT";
    const EARLIER: &str = "Thu, 01 Jan 1970 00:59:59 GMT";
    const LATER: &str = "Thursday, 01-Jan-70 01:00:01 GMT";
    const TAG: &str = r#""e10.1f4-7""#;

    /// Of a file that was modified half a microsecond after `TIME`, looked at after `age`.
    fn validators(age: Duration) -> Validators {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_hours(1) + Duration::from_nanos(500);
        Validators::new(modified, 7, modified + age)
    }

    fn with_head<T>(fields: &str, look: impl Fn(HeadView<'_>) -> T) -> T {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = Head::new();
        head.read_request(bytes.as_bytes(), &mut 0).unwrap().unwrap();
        look(head.view(bytes.as_bytes()))
    }

    #[test]
    fn preconditions_are_evaluated_in_order() {
        use Precondition::{Failed, Holds, NotModified};
        let later = format!("If-Modified-Since: {LATER}\r\n");
        for (fields, expected) in [
            (String::new(), Holds),
            (format!("If-None-Match: {TAG}\r\n"), NotModified),
            (format!("if-none-match: \"x\"\r\nIf-None-Match: W/{TAG}\r\n"), NotModified),
            ("If-None-Match: *\r\n".into(), NotModified),
            ("If-None-Match: \"x\"\r\n".into(), Holds),
            (format!("If-None-Match: \"x\"\r\n{later}"), Holds),
            (later.clone(), NotModified),
            (format!("If-Modified-Since: {TIME}\r\n"), NotModified),
            (format!("If-Modified-Since: {EARLIER}\r\n"), Holds),
            ("If-Modified-Since: yesterday\r\n".into(), Holds),
            (format!("{later}{later}"), Holds),
            (format!("If-Match: {TAG}\r\n"), Holds),
            ("If-Match: *\r\n".into(), Holds),
            (format!("If-Match: W/{TAG}\r\n"), Failed),
            ("If-Match: \"x\"\r\n".into(), Failed),
            (format!("If-Match: \"x\"\r\nIf-None-Match: {TAG}\r\n"), Failed),
            (format!("If-Match: {TAG}\r\nIf-Unmodified-Since: {EARLIER}\r\n"), Holds),
            (format!("If-Unmodified-Since: {TIME}\r\n"), Holds),
            (format!("If-Unmodified-Since: {EARLIER}\r\n"), Failed),
            (format!("If-Unmodified-Since: {EARLIER}\r\n{later}"), Failed),
            (format!("If-Unmodified-Since: {LATER}\r\n{later}"), NotModified),
        ] {
            let found = with_head(&fields, |head| validators(Duration::from_hours(1)).check(head));
            assert_eq!(found, expected, "{fields}");
        }
    }

    #[test]
    fn a_range_needs_the_exact_version() {
        for (condition, expected) in [
            (TAG, true),
            (TIME, true),
            (LATER, false),
            (EARLIER, false),
            ("\"x\"", false),
            ("*", false),
            (r#"W/"e10.1f4-7""#, false),
        ] {
            let fields = format!("If-Range: {condition}\r\n");
            let (settled, fresh) = (validators(Duration::from_hours(1)), validators(Duration::ZERO));
            assert_eq!(with_head(&fields, |head| settled.allow_range(head)), expected, "{condition}");
            assert!(!with_head(&fields, |head| fresh.allow_range(head)), "{condition}: it may change again");
            assert!(!with_head(&fields.repeat(2), |head| settled.allow_range(head)), "{condition}, twice");
        }
        assert!(with_head("", |head| validators(Duration::ZERO).allow_range(head)));
    }

    #[test]
    fn last_modified_is_never_in_the_future() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        assert_eq!(Validators::new(now + Duration::from_hours(9), 7, now).last_modified, now);
    }
}
