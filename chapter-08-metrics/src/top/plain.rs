//! The state as text, for scripts: one reading, without colours, and as wide as it needs to be.

use super::{
    columns::{Column, columns},
    format,
    screen::summary,
    view::View,
};

/// Wide enough for all columns and any name that a column shows.
const WIDTH: usize = 300;

/// The text, whose lines end with their last letter.
pub fn text(view: &View, url: &str) -> String {
    let mut lines = vec![summary::title(&view.summary, url), summary::rate_line(view), summary::gauge_line(view)];
    lines.extend(view.alerts.iter().cloned());
    lines.extend(workers(view));
    lines.extend(view.limits.iter().map(|limit| {
        let refused = if limit.is_dry_run { "would refuse" } else { "refused" };
        let rates = [limit.allowed_rate, limit.refused_rate].map(format::rate);
        format!("limit {}  passed {}/s  {refused} {}/s ({})", limit.name, rates[0], rates[1], limit.refused)
    }));
    lines.push(String::new());
    let columns = columns(WIDTH, &view.backends);
    lines.push(row(&columns, |column| column.title.to_owned()));
    lines.extend(view.backends.iter().map(|backend| row(&columns, |column| column.cell(backend))));
    if !view.events.is_empty() {
        lines.push(String::new());
    }
    let event = |event: &super::view::EventLine| format!("{} UTC {}", format::time_of_day(event.time_ms), event.text);
    lines.extend(view.events.iter().map(event));
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn workers(view: &View) -> Option<String> {
    let busy = view.workers.iter().map(|busy| format::percent(*busy));
    (!view.workers.is_empty()).then(|| format!("workers busy {}", busy.collect::<Vec<_>>().join(" ")))
}

/// Cells, padded to their columns.
fn row(columns: &[Column], cell: impl Fn(&Column) -> String) -> String {
    let padded = |column: &Column| {
        let cell = cell(column);
        // Not `{:width$}`: wide letters take two columns.
        let gap = " ".repeat(column.width.saturating_sub(format::width(&cell)));
        if column.is_number { gap + &cell } else { cell + &gap }
    };
    columns.iter().map(padded).collect::<Vec<_>>().join(" ")
}
