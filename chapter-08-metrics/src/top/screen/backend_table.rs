//! The backends' table.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    style::{Color, Modifier, Style, Stylize as _},
    text::Line,
    widgets::{Cell, Row, Table, TableState},
};

use crate::{
    live::document::LiveState,
    top::{
        app::App,
        columns::{Column, columns},
        view::BackendRow,
    },
};

pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect, state: &mut TableState) {
    let rows = app.view.as_ref().map_or(&[][..], |view| &view.backends);
    let columns = columns(usize::from(area.width), rows);
    let titles = columns.iter().map(|column| {
        let title = aligned(column, column.title.to_owned());
        if column.sort == Some(app.sort) { title.reversed() } else { title }
    });
    let header = Row::new(titles.map(Cell::from)).style(Style::new().cyan().bold());
    let widths = columns.iter().map(|column| Constraint::Length(u16::try_from(column.width).unwrap_or(u16::MAX)));
    state.select(app.selected_index());
    let table = Table::new(rows.iter().map(|row| cells(&columns, row)), widths)
        .header(header)
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, state);
}

fn cells(columns: &[Column], row: &BackendRow) -> Row<'static> {
    let has_errors = row.error_rate.is_some_and(|rate| rate > 0.0);
    Row::new(columns.iter().map(|column| {
        let line = aligned(column, column.cell(row));
        Cell::from(match column.title {
            "STATE" => line.fg(state_color(row.state)),
            "ERR/S" if has_errors => line.red(),
            _ => line,
        })
    }))
}

fn aligned(column: &Column, text: String) -> Line<'static> {
    if column.is_number { Line::from(text).right_aligned() } else { Line::from(text) }
}

/// The word says it too, for those who see no colour.
fn state_color(state: LiveState) -> Color {
    match state {
        LiveState::Up => Color::Green,
        LiveState::HalfOpen | LiveState::Ejected => Color::Yellow,
        LiveState::Drain => Color::Blue,
        LiveState::Down => Color::Red,
        LiveState::Other => Color::Magenta,
    }
}
