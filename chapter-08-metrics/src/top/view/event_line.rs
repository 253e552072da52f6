//! An event as a sentence.

use crate::{
    live::document::{LiveEvent, LiveEventKind as Kind},
    top::escape::printable,
};

/// Something that has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventLine {
    /// In milliseconds since 1970 (UTC).
    pub time_ms: u64,
    /// A sentence.
    pub text: String,
}

/// What happened, in words.
pub(super) fn event_line(event: &LiveEvent) -> EventLine {
    let (subject, group) = (printable(&event.subject), printable(&event.group));
    let backend = if group.is_empty() { subject.clone() } else { format!("{subject} ({group})") };
    let text = match event.kind {
        Kind::Up => format!("{backend} is up"),
        Kind::Down => format!("{backend} is down"),
        Kind::HalfOpen => format!("{backend} may be probed"),
        Kind::Ejected => format!("{backend} was ejected"),
        Kind::Drained => format!("{backend} was drained"),
        Kind::Enabled => format!("{backend} was enabled"),
        Kind::Added => format!("{backend} was added"),
        Kind::Removed => format!("{backend} was removed"),
        Kind::BreakerOpen => format!("group {subject}: circuit breaker opened"),
        Kind::BreakerClosed => format!("group {subject}: circuit breaker closed"),
        Kind::Panic => format!("group {subject}: too few are healthy, health is ignored"),
        Kind::PanicOver => format!("group {subject}: health counts again"),
        Kind::Limited => format!("limit {subject} refused {} requests", event.count),
        Kind::Shed => format!("group {subject} shed {} requests", event.count),
        Kind::Other => format!("{backend}: an event that this version does not know"),
    };
    EventLine { time_ms: event.time_ms, text }
}
