//! Draws the state: a function from an [`App`] to the cells of a terminal.
//!
//! 80 columns by 24 rows are enough for everything; more rows go to backends and events, more columns to names and to
//! further numbers. A smaller terminal shows what fits.

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Modifier, Style, Stylize as _},
    text::Line,
    widgets::{Paragraph, TableState},
};

use super::{
    app::{App, Mode, Outage},
    format::{self, fit},
    view::View,
};

mod backend_table;
mod footer;
mod help;
mod sections;
pub(super) mod summary;

/// Draws the state. `table` keeps which part of a long table is visible.
pub fn draw(frame: &mut Frame<'_>, app: &App, table: &mut TableState) {
    let area = frame.area();
    let alerts = alert_lines(app, usize::from(area.width));
    let empty = View::default();
    let view = app.view.as_ref().unwrap_or(&empty);
    let sections = sections::Sections::new(view, area);
    let alert_rows = u16::try_from(alerts.len()).unwrap_or(u16::MAX);
    let rows = [
        Constraint::Length(3),
        Constraint::Length(alert_rows),
        Constraint::Length(sections.workers.rows()),
        Constraint::Length(sections.limits.rows()),
        Constraint::Min(3),
        Constraint::Length(sections.events.rows()),
        Constraint::Length(1),
    ];
    let [summary, alert, workers, limits, backends, events, footer] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(summary::lines(app)), summary);
    frame.render_widget(Paragraph::new(alerts), alert);
    for (section, area) in [(sections.workers, workers), (sections.limits, limits), (sections.events, events)] {
        frame.render_widget(Paragraph::new(section.lines), area);
    }
    backend_table::render(frame, app, backends, table);
    if app.outage.is_some() {
        let dimmed = Style::new().add_modifier(Modifier::DIM);
        for area in [summary, workers, limits, backends, events] {
            frame.buffer_mut().set_style(area, dimmed);
        }
    }
    frame.render_widget(footer::line(app, footer.width), footer);
    if app.mode == Mode::Help {
        help::render(frame, area);
    }
}

/// What needs attention; the worst first.
fn alert_lines(app: &App, width: usize) -> Vec<Line<'static>> {
    let outage = app.outage.as_ref().map(|outage| format::wrap(&outage_text(&app.url, outage), width, MAX_ALERTS));
    let outage = outage.into_iter().flatten().map(|line| Line::from(line).red().bold());
    let alerts = app.view.iter().flat_map(|view| view.alerts.iter()).take(MAX_ALERTS);
    outage.chain(alerts.map(|alert| Line::from(fit(alert, width)).yellow())).collect()
}

/// How many lines there are of each kind: more would leave no room for the backends.
const MAX_ALERTS: usize = 3;

/// That a balancer does not answer, as a sentence.
fn outage_text(url: &str, Outage { since_ms, reason }: &Outage) -> String {
    format!("no answer from {url} since {} UTC ({reason})", format::time_of_day(*since_ms))
}

#[cfg(test)]
mod tests;
