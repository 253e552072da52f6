use std::time::Duration;

use common::clock::now;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, buffer::Cell, style::Color};

use super::*;
use crate::{
    live::{
        LiveDocument,
        document::{LiveBackend, LiveEvent, LiveEventKind, LiveGroup, LiveLimit, LiveState, LiveTotals, LiveWorker},
    },
    top::{client::ClientError, plain, poller::Polled, reading::Reading},
};

fn backend(id: u64, group: &str, name: &str, state: LiveState, requests: u64) -> LiveBackend {
    LiveBackend {
        id,
        group: group.into(),
        name: name.into(),
        state,
        state_ends_in_ms: (state == LiveState::Ejected).then_some(21_000),
        weight: 1,
        requests,
        responses: [0, requests, 0, 0, requests / 100],
        failures: if state == LiveState::Down { 3_720 } else { 0 },
        reused: requests / 10 * 9,
        time_us: requests * 1_500,
        first_byte_buckets: vec![0, requests / 2, requests / 2, requests / 1_000_000],
        ..LiveBackend::default()
    }
}

fn event(second: u64, kind: LiveEventKind, subject: &str, group: &str) -> LiveEvent {
    let (subject, group) = (subject.into(), group.into());
    LiveEvent { sequence: second, time_ms: 1_700_000_000_000 + second * 1000, kind, subject, group, count: 0 }
}

fn limits(second: u64) -> Vec<LiveLimit> {
    let limit = |name: &str, rule: &str| LiveLimit { name: name.into(), rule: rule.into(), ..LiveLimit::default() };
    vec![
        LiveLimit { allowed: 900 * second, refused: 7 * second, ..limit("per-ip", "100/s burst 200 by ip") },
        LiveLimit { dry_run: true, ..limit("uploads", "2/s by ip") },
    ]
}

fn totals(second: u64) -> LiveTotals {
    LiveTotals {
        requests: 1_850 * second,
        failed: 3 * second,
        in_flight: 18,
        connections_active: 512,
        connections_accepted: 12 * second,
        bytes_received: 420_000 * second,
        bytes_sent: 12_300_000 * second,
        ..LiveTotals::default()
    }
}

/// A balancer after this many seconds; its numbers grow evenly.
fn document(second: u64) -> LiveDocument {
    let mut document = LiveDocument {
        uptime_ms: second * 1_000,
        latency_bounds_ns: vec![500_000, 1_000_000, 5_000_000],
        backends: vec![
            backend(1, "default", "127.0.0.1:9001", LiveState::Up, 1_200 * second),
            backend(2, "default", "127.0.0.1:9002", LiveState::Up, 600 * second),
            backend(3, "default", "127.0.0.1:9003", LiveState::Down, 0),
            backend(4, "api", "[2001:db8::8:800:200c:417a]:8443", LiveState::Drain, 40 * second),
            backend(5, "api", "api-2.example:8080", LiveState::Ejected, 0),
            backend(6, "api", "api-3.example:8080", LiveState::HalfOpen, 10 * second),
        ],
        groups: vec![LiveGroup { name: "api".into(), up: 1, breaker_open: true, ..LiveGroup::default() }],
        limits: limits(second),
        workers: [630_000, 912_000].map(|busy| LiveWorker { clients: 1, busy_us: second * busy }).into(),
        events: vec![
            event(1, LiveEventKind::Added, "api-3.example:8080", "api"),
            event(2, LiveEventKind::Ejected, "api-2.example:8080", "api"),
            event(3, LiveEventKind::Down, "127.0.0.1:9003", "default"),
            event(4, LiveEventKind::BreakerOpen, "api", ""),
        ],
        totals: totals(second),
        ..LiveDocument::default()
    };
    (document.program.name, document.program.version) = ("observable_lb".into(), "0.1.0".into());
    document.program.writable = true;
    (document.backends[0].in_flight, document.backends[1].in_flight) = (12, 6);
    document
}

fn read(document: LiveDocument) -> Polled {
    Polled::Read(Ok(Box::new(Reading { at: now() + Duration::from_millis(document.uptime_ms), document })))
}

/// After two readings of [`document`], a second apart and changed by `edit`.
fn app_with(edit: impl Fn(&mut LiveDocument)) -> App {
    let mut app = App::new("http://127.0.0.1:9900".into());
    for second in [3_720, 3_721] {
        let mut document = document(second);
        edit(&mut document);
        app.on_polled(read(document), 0);
    }
    app
}

fn press(app: &mut App, keys: &str) {
    for key in keys.chars() {
        app.on_key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
    }
}

/// What a terminal of this size shows.
fn terminal(app: &App, columns: u16, rows: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, app, &mut TableState::default())).unwrap();
    terminal
}

/// The same as text, without trailing spaces.
fn drawn(app: &App, columns: u16, rows: u16) -> String {
    let terminal = terminal(app, columns, rows);
    let cells = terminal.backend().buffer().content();
    let line = |row: &[Cell]| row.iter().map(Cell::symbol).collect::<String>();
    let lines: Vec<_> = cells.chunks(columns.into()).map(|row| line(row).trim_end().to_owned()).collect();
    lines.join("\n")
}

#[track_caller]
fn assert_screen(actual: &str, expected: &str) {
    assert!(actual == expected, "the screen is\n{actual}\n\nand not\n{expected}");
}

#[test]
fn everything_fits_80_columns_and_24_rows() {
    let mut app = app_with(|_| {});
    press(&mut app, "j");
    assert_screen(&drawn(&app, 80, 24), include_str!("tests/80x24.txt").trim_end());
}

#[test]
fn wider_and_higher_screens_show_more() {
    assert_screen(&drawn(&app_with(|_| {}), 140, 40), include_str!("tests/140x40.txt").trim_end());
}

#[test]
fn the_plain_table_has_all_of_it() {
    let app = app_with(|_| {});
    let text = plain::text(app.view.as_ref().unwrap(), &app.url);
    assert_screen(&text, include_str!("tests/plain.txt").trim_end());
}

#[test]
fn a_balancer_that_is_gone_is_said_and_its_last_values_are_dimmed() {
    let mut app = app_with(|_| {});
    assert!(!terminal(&app, 80, 24).backend().buffer()[(0, 0)].modifier.contains(Modifier::DIM));
    let refused = || Polled::Read(Err(ClientError::Status { status: 500, reason: "x".repeat(100) }));
    app.on_polled(refused(), 1_700_000_000_000);
    app.on_polled(refused(), 1_700_000_009_000);
    let text = drawn(&app, 80, 24);
    assert!(text.contains("\nno answer from http://127.0.0.1:9900 since 22:13:20 UTC (status 500: xxx"), "{text}");
    assert!(text.contains("127.0.0.1:9001") && text.contains("q quit"), "{text}");
    let terminal = terminal(&app, 80, 24);
    let buffer = terminal.backend().buffer();
    assert!(buffer[(0, 0)].modifier.contains(Modifier::DIM));
    assert!(!buffer[(0, 3)].modifier.contains(Modifier::DIM), "the sentence itself is not");
    app.on_polled(read(document(3_730)), 0);
    assert!(!drawn(&app, 80, 24).contains("no answer"));
}

#[test]
fn before_the_first_reading_it_says_what_it_waits_for() {
    let mut app = App::new("http://127.0.0.1:9900".into());
    assert!(drawn(&app, 80, 24).starts_with("lb_top: reading http://127.0.0.1:9900\n"));
    app.on_polled(Polled::Read(Err(ClientError::NoProgram)), 0);
    assert!(drawn(&app, 80, 24).contains("no answer from http://127.0.0.1:9900 since 00:00:00 UTC"));
}

#[test]
fn hostile_names_stay_in_their_cells() {
    let hostile = "\u{1b}[2J\r\n\u{202e}\u{200b}evil\u{301}";
    let app = app_with(|document| {
        (document.program.name, document.program.version) = (hostile.into(), hostile.into());
        document.backends[0].name = hostile.into();
        document.backends[1].group = "日本語".repeat(30);
        document.backends[2].name = "x".repeat(10_000);
        (document.limits[0].name, document.limits[0].rule) = (hostile.into(), hostile.into());
        document.events[3].subject = hostile.into();
        document.groups[0].name = hostile.into();
    });
    for (columns, rows) in [(80, 24), (140, 40)] {
        let text = drawn(&app, columns, rows);
        assert!(text.contains("\\u{1b}[2J") && text.contains("REQ/S ERR/S"), "{text}");
        let is_bad =
            |letter: char| letter != '\n' && (letter.is_control() || "\u{202e}\u{200b}\u{301}".contains(letter));
        assert!(!text.contains(is_bad), "{text:?}");
    }
    let text = plain::text(app.view.as_ref().unwrap(), &app.url);
    assert!(!text.contains(|letter: char| letter != '\n' && letter.is_control()), "{text:?}");
    let mut app = app;
    press(&mut app, "jd");
    let question = drawn(&app, 80, 24);
    assert!(question.ends_with("? (y/n)") && question.contains("drain \\u{1b}[2J\\r\\n"), "{question}");
}

#[test]
fn a_thousand_backends_scroll_with_the_selection() {
    let mut app = app_with(|document| {
        let one = document.backends[0].clone();
        document.backends = (1..=1_000)
            .map(|id| LiveBackend { id, name: format!("10.0.{}.{}:80", id / 256, id % 256), ..one.clone() })
            .collect();
        document.backends_omitted = 234;
    });
    let text = drawn(&app, 80, 24);
    assert!(text.contains("backends 1000 (+234 not listed)"), "{text}");
    assert!(text.contains("10.0.0.1:80") && !text.contains("10.0.0.30:80"), "{text}");
    press(&mut app, "G");
    let text = drawn(&app, 80, 24);
    assert!(text.contains("10.0.3.232:80") && !text.contains("10.0.0.1:80"), "{text}");
    assert!(text.ends_with("1000/1000"), "{text}");
    press(&mut app, "k");
    assert!(drawn(&app, 80, 24).ends_with("999/1000"));
}

#[test]
fn states_have_a_colour_besides_the_word() {
    let terminal = terminal(&app_with(|_| {}), 80, 24);
    let buffer = terminal.backend().buffer();
    let cells = buffer.content();
    let colour_of = |word: &str| {
        let is_word =
            |row: &&[Cell]| row[30..].iter().zip(word.chars()).all(|(cell, letter)| cell.symbol().starts_with(letter));
        let row = cells.chunks(80).find(is_word);
        row.unwrap_or_else(|| panic!("no {word}"))[30].fg
    };
    let expected = [("UP", Color::Green), ("DOWN", Color::Red), ("DRAIN", Color::Blue), ("EJECTED", Color::Yellow)];
    assert_eq!(expected.map(|(word, _)| colour_of(word)), expected.map(|(_, colour)| colour));
}

#[test]
fn many_workers_have_a_block_each() {
    let app = app_with(|document| {
        let worker = |id: u64| LiveWorker { clients: 0, busy_us: document.uptime_ms * id * 8 };
        document.workers = (0..64).map(worker).collect();
    });
    let text = drawn(&app, 80, 24);
    assert!(text.contains("64 workers, the busiest is 63 with 50.4%") && text.contains("▁▁▂"), "{text}");
}

#[test]
fn the_help_lies_over_the_table() {
    let mut app = app_with(|_| {});
    press(&mut app, "?");
    let text = drawn(&app, 80, 24);
    assert!(text.contains("Ctrl-C") && text.contains("drain the selected backend") && text.contains("└"), "{text}");
}

#[test]
fn no_size_panics() {
    let mut app = app_with(|_| {});
    for keys in ["", "?", "jd"] {
        press(&mut app, keys);
        for columns in [0, 1, 2, 7, 30, 79, 81, 400] {
            for rows in [0, 1, 2, 3, 5, 9, 100] {
                terminal(&app, columns, rows);
            }
        }
    }
}
