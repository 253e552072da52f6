use common::clock::now;

use super::*;
use crate::{
    live::{
        LiveDocument,
        document::{LiveBackend, LiveEventKind, LiveGroup, LiveLimit, LiveState, LiveWorker},
    },
    top::{
        percentile::Percentile,
        reading::{Reading, Readings},
    },
};

/// What two documents show that were read a second apart.
fn view_of(before: LiveDocument, after: LiveDocument) -> View {
    let (mut readings, start) = (Readings::default(), now());
    readings.push(Reading { document: before, at: start });
    readings.push(Reading { document: after, at: start + Duration::from_secs(1) });
    View::new(&readings.interval().unwrap())
}

fn backend(id: u64, group: &str, requests: u64) -> LiveBackend {
    let name = format!("b{id}");
    LiveBackend { id, name, group: group.to_owned(), requests, ..LiveBackend::default() }
}

#[test]
fn shares_are_those_of_a_group() {
    let before = LiveDocument {
        uptime_ms: 1_000,
        backends: vec![backend(1, "a", 10), backend(2, "a", 10), backend(3, "b", 10)],
        ..LiveDocument::default()
    };
    let after = LiveDocument {
        uptime_ms: 2_000,
        backends: vec![backend(1, "a", 40), backend(2, "a", 20), backend(3, "b", 10), backend(4, "a", 9)],
        ..LiveDocument::default()
    };
    let rows = view_of(before, after).backends;
    let shown: Vec<_> = rows.iter().map(|row| (row.share, row.request_rate)).collect();
    let expected = [(Some(0.75), Some(30.0)), (Some(0.25), Some(10.0)), (None, Some(0.0)), (None, None)];
    assert_eq!(shown, expected, "nothing is known of the fourth before");
}

#[test]
fn errors_reuse_mean_and_percentiles_are_those_of_the_interval() {
    let mut old = backend(1, "a", 100);
    (old.failures, old.responses, old.reused, old.time_us) = (10, [0, 80, 0, 0, 10], 50, 1_000_000);
    old.first_byte_buckets = vec![1_000, 0, 0];
    let mut new = backend(1, "a", 110);
    (new.failures, new.responses, new.reused, new.time_us) = (12, [0, 85, 0, 0, 13], 60, 1_020_000);
    new.first_byte_buckets = vec![1_000, 10, 0];
    let document = |uptime_ms, backend| LiveDocument {
        uptime_ms,
        latency_bounds_ns: vec![100, 200],
        backends: vec![backend],
        ..LiveDocument::default()
    };
    let row = view_of(document(0, old), document(2_000, new)).backends.remove(0);
    assert_eq!((row.request_rate, row.error_rate, row.errors), (Some(5.0), Some(2.5), 25));
    assert_eq!((row.reuse, row.mean), (Some(1.0), Some(Duration::from_millis(2))));
    assert_eq!((row.p50, row.p99), (Some(Percentile::About(150)), Some(Percentile::About(200))));
}

#[test]
fn workers_limits_and_totals_are_rates() {
    let mut document = LiveDocument { workers: vec![LiveWorker::default(); 2], ..LiveDocument::default() };
    document.limits = vec![LiveLimit { name: "api".into(), allowed: 100, refused: 50, ..LiveLimit::default() }];
    let mut after = LiveDocument { uptime_ms: 2_000, ..document.clone() };
    after.workers[1].busy_us = 500_000;
    (after.limits[0].allowed, after.limits[0].refused) = (120, 51);
    (after.totals.requests, after.totals.failed, after.totals.bytes_sent) = (200, 2, 4_000);
    let view = view_of(document, after);
    assert_eq!(view.workers, [Some(0.0), Some(0.25)]);
    assert_eq!((view.limits[0].allowed_rate, view.limits[0].refused_rate), (Some(10.0), Some(0.5)));
    let summary = view.summary;
    assert_eq!((summary.request_rate, summary.error_ratio), (Some(100.0), Some(0.01)));
    assert_eq!((summary.sent_rate, summary.measured_over), (Some(2_000.0), Some(Duration::from_secs(2))));
}

#[test]
fn groups_in_trouble_are_alerts() {
    let group = |name: &str, up| LiveGroup { name: name.into(), up, backends: 3, ..LiveGroup::default() };
    let mut document = LiveDocument { groups: vec![group("a", 3), group("b\u{7}", 0)], ..LiveDocument::default() };
    document.groups[0].breaker_open = true;
    document.program.draining = true;
    let alerts = view_of(LiveDocument::default(), document).alerts;
    assert_eq!(alerts.len(), 3, "{alerts:?}");
    assert!(alerts[1].contains("circuit breaker") && alerts[2].contains("b\\u{7}"), "{alerts:?}");
}

#[test]
fn events_are_sentences_and_the_newest_is_first() {
    let event = |sequence, kind, subject: &str, group: &str, count| LiveEvent {
        sequence,
        time_ms: sequence,
        kind,
        subject: subject.into(),
        group: group.into(),
        count,
    };
    let events = vec![
        event(1, LiveEventKind::Down, "b\u{1b}1", "a", 0),
        event(2, LiveEventKind::Limited, "api", "", 12),
        event(3, LiveEventKind::Other, "x", "", 0),
    ];
    let events = view_of(LiveDocument::default(), LiveDocument { events, ..LiveDocument::default() }).events;
    let texts: Vec<_> = events.iter().map(|event| event.text.as_str()).collect();
    let newest = "x: an event that this version does not know";
    assert_eq!(texts, [newest, "limit api refused 12 requests", "b\\u{1b}1 (a) is down"]);
}

#[test]
fn documents_of_other_versions_are_read() {
    let text = r#"{"uptime_ms": 5000, "new": [1], "program": {"name": "future_lb", "writable": true, "colour": "red"},
        "backends": [{"id": 1, "name": "a", "state": "FROZEN", "requests": 10, "responses": [0, 10, 0, 0, 0]}],
        "events": [{"sequence": 1, "kind": "thawed"}]}"#;
    let document: LiveDocument = serde_json::from_str(text).unwrap();
    let view = view_of(LiveDocument::default(), document);
    assert_eq!((view.summary.name.as_str(), view.summary.is_writable), ("future_lb", true));
    assert_eq!((view.backends[0].state, view.backends[0].requests), (LiveState::Other, 10));
    assert_eq!((view.events.len(), view.backends[0].p50), (1, None));
}

#[test]
fn absurd_numbers_do_not_overflow() {
    let mut most = backend(1, "a", u64::MAX);
    (most.failures, most.responses, most.reused, most.time_us) = (u64::MAX, [u64::MAX; 5], u64::MAX, u64::MAX);
    (most.first_byte_buckets, most.in_flight) = (vec![u64::MAX; 3], u32::MAX);
    let other = LiveBackend { id: 2, ..most.clone() };
    let workers = vec![LiveWorker { clients: 1, busy_us: u64::MAX }];
    let document = |uptime_ms, backends| LiveDocument {
        uptime_ms,
        time_ms: u64::MAX,
        latency_bounds_ns: vec![u64::MAX, 0],
        backends,
        workers: workers.clone(),
        ..LiveDocument::default()
    };
    let view = view_of(document(0, vec![backend(1, "a", 0), backend(2, "a", 0)]), document(1, vec![most, other]));
    assert!(view.backends[0].request_rate.unwrap() > 1e20);
    let _ = view_of(document(u64::MAX, vec![]), document(0, vec![]));
}
