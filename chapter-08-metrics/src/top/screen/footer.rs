//! The last line: the keys, a question, or the outcome of a change.

use ratatui::{style::Stylize as _, text::Line};

use crate::top::{
    app::{App, Mode},
    format::{fit, width},
};

pub(super) fn line(app: &App, screen_width: u16) -> Line<'static> {
    let room = usize::from(screen_width);
    match (&app.mode, &app.notice) {
        (Mode::Confirm(change), _) => Line::from(fit(&format!("{change}? (y/n)"), room)).yellow().bold(),
        (_, Some(notice)) if notice.is_error => Line::from(fit(&notice.text, room)).red().bold(),
        (_, Some(notice)) => Line::from(fit(&notice.text, room)).green(),
        _ => Line::from(keys(app, room)).dim(),
    }
}

/// The keys, and at the end of the line which row of how many is selected.
fn keys(app: &App, room: usize) -> String {
    let keys = format!("q quit  ↑↓ select  s sort: {}  d drain  e enable  ? help", app.sort.word());
    let rows = app.view.as_ref().map_or(0, |view| view.backends.len());
    let position = app.selected_index().map_or_else(String::new, |index| format!("{}/{rows}", index + 1));
    let gap = room.saturating_sub(width(&keys) + position.len());
    if gap == 0 { fit(&keys, room) } else { format!("{keys}{}{position}", " ".repeat(gap)) }
}
