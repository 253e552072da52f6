//! Entity tags (RFC 9110 §8.8.3): which version of a file a client has.
//!
//! Ours is made of the file's modification time and size, as nginx's is: it costs no read of the file, and the servers
//! behind a balancer agree on it if their copies have the same times. It is strong, so that a download can be resumed
//! with it, except for a file that was modified less than a second before: it may be modified again within the same
//! tick of the file system's clock, and the tag would stay the same. Then it is weak, as Apache's is.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// Longer than a tick of any file system's clock: FAT's is two seconds, but nobody serves a website from it.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// The entity tag of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntityTag {
    /// Whether equal tags mean equal bytes.
    pub(super) is_strong: bool,
    /// Since 1970.
    modified: Duration,
    size: u64,
}

impl EntityTag {
    /// For a file of this state at `now`.
    pub(super) fn new(modified: SystemTime, size: u64, now: SystemTime) -> Self {
        // A time in the future may be reached by another modification.
        let is_strong = now.duration_since(modified).is_ok_and(|age| age >= SETTLED_AFTER);
        let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { is_strong, modified, size }
    }

    /// Whether `list`, a value of `If-Match` or `If-None-Match`, contains this tag. A weak comparison ignores whether
    /// tags are weak; a strong one accepts no weak tag (RFC 9110 §8.8.3.2).
    pub(super) fn is_in(&self, list: &[u8], comparison: Comparison) -> bool {
        let own = Self { is_strong: true, ..*self }.to_string();
        list == b"*"
            || listed_tags(list).any(|(is_weak, tag)| {
                tag == own.as_bytes() && (comparison == Comparison::Weak || self.is_strong && !is_weak)
            })
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_strong { "" } else { "W/" };
        write!(f, "{mark}\"{:x}.{:x}-{:x}\"", self.modified.as_secs(), self.modified.subsec_nanos(), self.size)
    }
}

/// How two tags are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The same content for a reader.
    Weak,
    /// The same bytes.
    Strong,
}

/// The tags of a list, each with its quotes, and whether it is weak. A tag may contain commas; what follows an element
/// that is no tag is ignored.
fn listed_tags(list: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let element = &rest[start..];
        let (is_weak, tag) = element.strip_prefix(b"W/").map_or((false, element), |tag| (true, tag));
        let length = tag.strip_prefix(b"\"")?.iter().position(|byte| *byte == b'"')? + 2;
        rest = &tag[length..];
        Some((is_weak, &tag[..length]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn tag(age: Duration) -> EntityTag {
        let modified = SystemTime::UNIX_EPOCH + HOUR + Duration::from_nanos(255);
        EntityTag::new(modified, 16, modified + age)
    }

    #[test]
    fn is_strong_once_the_file_has_settled() {
        assert_eq!(tag(SETTLED_AFTER).to_string(), r#""e10.ff-10""#);
        assert_eq!(tag(Duration::from_millis(999)).to_string(), r#"W/"e10.ff-10""#);
        let future = SystemTime::UNIX_EPOCH + HOUR;
        assert!(!EntityTag::new(future, 16, SystemTime::UNIX_EPOCH).is_strong);
    }

    #[test]
    fn differs_with_time_and_size() {
        let at = |nanos| SystemTime::UNIX_EPOCH + HOUR + Duration::from_nanos(nanos);
        let now = SystemTime::UNIX_EPOCH + 2 * HOUR;
        let tags = [(0, 1), (0, 2), (100, 1)].map(|(nanos, size)| EntityTag::new(at(nanos), size, now).to_string());
        assert!(tags[0] != tags[1] && tags[0] != tags[2]);
    }

    #[test]
    fn is_found_in_lists() {
        let (strong, weak) = (tag(HOUR), tag(Duration::ZERO));
        for (list, weakly, strongly) in [
            (r#""e10.ff-10""#, true, true),
            (r#"W/"e10.ff-10""#, true, false),
            ("*", true, true),
            (r#""a,b" , W/"c",,"e10.ff-10""#, true, true),
            (r#""a", "e10.ff-11""#, false, false),
            (r#"e10.ff-10, "e10.ff-10""#, false, false),
            (r#""e10.ff-10"#, false, false),
            (r#"w/"e10.ff-10""#, false, false),
            ("", false, false),
        ] {
            assert_eq!(strong.is_in(list.as_bytes(), Comparison::Weak), weakly, "{list}");
            assert_eq!(strong.is_in(list.as_bytes(), Comparison::Strong), strongly, "{list}");
            assert_eq!(weak.is_in(list.as_bytes(), Comparison::Weak), weakly, "{list}");
            assert_eq!(weak.is_in(list.as_bytes(), Comparison::Strong), list == "*", "{list}");
        }
    }
}
