use std::time::Duration;

use common::clock::now;

use super::*;
use crate::{
    live::{LiveDocument, document::LiveBackend},
    top::{change::BackendPath, client::ClientError, reading::Reading},
};

fn read(document: LiveDocument) -> Polled {
    Polled::Read(Ok(Box::new(Reading { at: now() + Duration::from_millis(document.uptime_ms), document })))
}

/// A document at this second, with these backends by id and requests.
fn document(second: u64, backends: &[(u64, u64)], writable: bool) -> LiveDocument {
    let backend = |&(id, requests): &(u64, u64)| LiveBackend {
        id,
        name: format!("b{id}"),
        group: "g".into(),
        requests,
        ..LiveBackend::default()
    };
    let mut document = LiveDocument { uptime_ms: second * 1_000, ..LiveDocument::default() };
    document.backends = backends.iter().map(backend).collect();
    document.program.writable = writable;
    document
}

fn app_with(backends: &[(u64, u64)], writable: bool) -> App {
    let mut app = App::new("http://127.0.0.1:9900".into());
    app.on_polled(read(document(10, backends, writable)), 0);
    app
}

fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    keys.chars().map(|key| app.on_key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE))).collect()
}

#[test]
fn q_and_ctrl_c_quit() {
    let mut app = app_with(&[(1, 1)], false);
    assert_eq!(press(&mut app, "xq"), [Effect::None, Effect::Quit]);
    for mode in [Mode::Table, Mode::Help] {
        app.mode = mode;
        assert_eq!(app.on_key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Effect::Quit);
    }
    let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    released.kind = KeyEventKind::Release;
    assert_eq!(app.on_key(released), Effect::None);
}

#[test]
fn the_selection_stays_in_the_table_and_follows_its_backend() {
    let mut app = app_with(&[(1, 1), (2, 2), (3, 3)], false);
    assert_eq!(app.selected_index(), None);
    for (keys, expected) in [("j", 0), ("jjjj", 2), ("k", 1), ("kkk", 0), ("G", 2), ("g", 0), ("j", 1)] {
        press(&mut app, keys);
        assert_eq!(app.selected_index(), Some(expected), "{keys}");
    }
    // The second becomes the first: it had the most requests since.
    press(&mut app, "sssss");
    app.on_polled(read(document(11, &[(1, 1), (2, 9), (3, 4)], false)), 0);
    assert_eq!((app.sort, app.selected_index()), (SortBy::Requests, Some(0)));
    app.on_polled(read(document(12, &[(1, 1), (3, 4)], false)), 0);
    assert_eq!(app.selected_index(), None, "it was removed");
    app.on_polled(read(document(13, &[], false)), 0);
    press(&mut app, "jkGg");
    assert_eq!(app.selected_index(), None, "there is nothing to select");
}

#[test]
fn a_change_is_confirmed_with_y_and_only_with_y() {
    let mut app = app_with(&[(1, 1), (2, 2)], true);
    press(&mut app, "jj");
    let change = |kind| Change { kind, backend: BackendPath { group: "g".into(), name: "b2".into() } };
    press(&mut app, "d");
    assert_eq!(app.mode, Mode::Confirm(change(ChangeKind::Drain)));
    assert_eq!(press(&mut app, "y"), [Effect::Request(change(ChangeKind::Drain))]);
    assert_eq!(press(&mut app, "ey")[1], Effect::Request(change(ChangeKind::Enable)));
    for key in ["n", "q", "d"] {
        assert_eq!(press(&mut app, &format!("d{key}")), [Effect::None, Effect::None]);
        assert_eq!((app.mode.clone(), app.notice.is_some()), (Mode::Table, true), "{key}");
    }
}

#[test]
fn a_change_needs_a_selection_and_a_writable_interface() {
    for (writable, keys, reason) in [(true, "d", "select"), (false, "jd", "read-only"), (false, "e", "read-only")] {
        let mut app = app_with(&[(1, 1)], writable);
        press(&mut app, keys);
        assert_eq!(app.mode, Mode::Table);
        assert!(app.notice.as_ref().is_some_and(|notice| notice.is_error && notice.text.contains(reason)), "{app:?}");
    }
}

#[test]
fn an_outage_keeps_the_last_values_and_its_beginning_until_there_is_an_answer() {
    let mut app = app_with(&[(1, 1)], false);
    let shown = app.view.clone();
    app.on_polled(Polled::Read(Err(ClientError::NoProgram)), 5_000);
    app.on_polled(Polled::Read(Err(ClientError::Status { status: 500, reason: String::new() })), 9_000);
    assert_eq!(app.outage, Some(Outage { since_ms: 5_000, reason: "status 500".into() }));
    assert_eq!(app.view, shown);
    app.on_polled(read(document(11, &[(1, 2)], false)), 10_000);
    assert!(app.outage.is_none() && app.view != shown);
}

#[test]
fn the_outcome_of_a_change_is_shown_for_a_while() {
    let mut app = app_with(&[(1, 1)], true);
    let backend = BackendPath { group: "g".into(), name: "b\u{1b}1".into() };
    let change = Change { kind: ChangeKind::Drain, backend };
    app.on_polled(Polled::Changed(change.clone(), Err(ClientError::Status { status: 403, reason: "no".into() })), 0);
    let notice = app.notice.clone().unwrap();
    assert_eq!((notice.text.as_str(), notice.is_error), ("cannot drain b\\u{1b}1 of group g: status 403: no", true));
    app.on_polled(Polled::Changed(change, Ok(())), 0);
    assert_eq!(app.notice.as_ref().map(|notice| notice.is_error), Some(false));
    for second in 11..16 {
        assert!(app.notice.is_some(), "{second}");
        app.on_polled(read(document(second, &[(1, 1)], true)), 0);
    }
    assert!(app.notice.is_none());
}

#[test]
fn any_key_closes_the_help() {
    let mut app = app_with(&[(1, 1)], false);
    press(&mut app, "?");
    assert_eq!(app.mode, Mode::Help);
    assert_eq!(press(&mut app, "q"), [Effect::None]);
    assert_eq!(app.mode, Mode::Table);
}
