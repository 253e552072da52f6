//! The columns of the backends' table.

use std::time::Duration;

use super::{
    format::{self, fit},
    percentile::Percentile,
    sort::SortBy,
    view::BackendRow,
};
use crate::live::document::LiveState;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title, which is no wider than it is.
    pub title: &'static str,
    /// Its width.
    pub width: usize,
    /// Whether it holds numbers: then it is aligned to the right.
    pub is_number: bool,
    /// The order that sorts by it.
    pub sort: Option<SortBy>,
    value: fn(&BackendRow) -> String,
}

/// From which width of the screen on a column is there.
type From = usize;

/// The columns that each screen has, in 79 columns and with one space between them, and those of wider ones.
const ALL: [(From, Column); 17] = [
    (0, text("GROUP", 7, None, |row| row.group.clone())),
    (0, text("BACKEND", 20, Some(SortBy::Name), |row| row.name.clone())),
    (0, text("STATE", 9, Some(SortBy::State), |row| state_word(row.state).to_owned())),
    (110, number("ENDS", 4, None, |row| row.state_ends_in.map_or_else(none, short_duration))),
    (100, number("WEIGHT", 6, None, |row| format::count(row.weight.into()))),
    (0, number("SHARE", 5, Some(SortBy::Share), |row| format::percent(row.share))),
    (0, number("INFL", 4, Some(SortBy::InFlight), |row| format::short_count(row.in_flight.into()))),
    (110, number("MAX", 4, None, |row| row.max_connections.map_or_else(none, |max| format::short_count(max.into())))),
    (0, number("REQ/S", 5, Some(SortBy::Requests), |row| format::rate(row.request_rate))),
    (0, number("ERR/S", 5, Some(SortBy::Errors), |row| format::rate(row.error_rate))),
    (0, number("P50", 5, None, |row| percentile(row.p50))),
    (0, number("P99", 5, Some(SortBy::P99), |row| percentile(row.p99))),
    (90, number("MEAN", 5, None, |row| row.mean.map_or_else(none, |mean| format::latency(nanos(mean))))),
    (0, number("REUSE", 5, None, |row| format::percent(row.reuse))),
    (130, number("EJECT", 5, None, |row| format::count(row.ejections))),
    (120, number("REQS", 5, None, |row| format::count(row.requests))),
    (120, number("ERRS", 5, None, |row| format::count(row.errors))),
];

const fn text(title: &'static str, width: usize, sort: Option<SortBy>, value: fn(&BackendRow) -> String) -> Column {
    Column { title, width, is_number: false, sort, value }
}

const fn number(title: &'static str, width: usize, sort: Option<SortBy>, value: fn(&BackendRow) -> String) -> Column {
    Column { title, width, is_number: true, sort, value }
}

/// How wide the two columns with names may become, however long the names are.
const MAX_NAME_WIDTH: usize = 60;

impl Column {
    /// What it shows of a row, cut to its width.
    pub fn cell(&self, row: &BackendRow) -> String {
        fit(&(self.value)(row), self.width)
    }
}

/// The columns for these rows on a screen of this width. What is left after all of them have their least width goes to
/// the names, as far as they need it.
pub fn columns(screen_width: usize, rows: &[BackendRow]) -> Vec<Column> {
    let mut columns: Vec<_> = ALL.iter().filter(|(from, _)| *from <= screen_width).map(|(_, column)| *column).collect();
    let mut left = screen_width.saturating_sub(total_width(&columns));
    // The name first: a group's is short.
    for index in [1, 0] {
        let column = &mut columns[index];
        let longest = rows.iter().map(|row| format::width(&(column.value)(row))).max().unwrap_or_default();
        let more = longest.min(MAX_NAME_WIDTH).saturating_sub(column.width).min(left);
        column.width += more;
        left -= more;
    }
    columns
}

/// The width of all of them, with a space between two.
pub fn total_width(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width + 1).sum::<usize>().saturating_sub(1)
}

/// A state in capitals, as the document has it.
pub fn state_word(state: LiveState) -> &'static str {
    match state {
        LiveState::Up => "UP",
        LiveState::HalfOpen => "HALF-OPEN",
        LiveState::Drain => "DRAIN",
        LiveState::Ejected => "EJECTED",
        LiveState::Down => "DOWN",
        LiveState::Other => "UNKNOWN",
    }
}

fn percentile(percentile: Option<Percentile>) -> String {
    match percentile {
        None => none(),
        Some(Percentile::About(nanos)) => format::latency(nanos),
        Some(Percentile::Above(nanos)) => format!(">{}", format::latency(nanos)),
    }
}

fn none() -> String {
    format::NONE.to_owned()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// In at most 4 characters: `30s`, `120s`, `15m`, `200h`.
fn short_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..1_000 => format!("{seconds}s"),
        1_000..60_000 => format!("{}m", seconds / 60),
        60_000..3_600_000 => format!("{}h", seconds / 3600),
        _ => ">41d".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> BackendRow {
        BackendRow { name: name.to_owned(), group: "default".to_owned(), ..BackendRow::default() }
    }

    #[test]
    fn all_columns_of_an_80_column_screen_fit() {
        let columns = columns(79, &[row("127.0.0.1:9001")]);
        assert!(total_width(&columns) <= 79, "{}", total_width(&columns));
        let titles: Vec<_> = columns.iter().map(|column| column.title).collect();
        assert_eq!(titles.join(" "), "GROUP BACKEND STATE SHARE INFL REQ/S ERR/S P50 P99 REUSE");
        for column in columns {
            assert!(column.title.len() <= column.width, "{}", column.title);
        }
    }

    #[test]
    fn no_width_overflows_and_wide_screens_show_more() {
        let long = "x".repeat(50);
        for width in 79..300 {
            let columns = columns(width, &[row(&long)]);
            assert!(total_width(&columns) <= width, "{width}: {}", total_width(&columns));
        }
        assert_eq!(columns(140, &[row("a")]).len(), ALL.len());
        assert!(columns(200, &[row(&long)])[1].cell(&row(&long)) == long);
    }

    #[test]
    fn states_are_words() {
        for (state, word) in [(LiveState::Up, "UP"), (LiveState::HalfOpen, "HALF-OPEN"), (LiveState::Other, "UNKNOWN")]
        {
            assert_eq!(state_word(state), word);
        }
        for (seconds, expected) in [(30, "30s"), (1_000, "16m"), (60_000, "16h"), (u64::MAX, ">41d")] {
            assert_eq!(short_duration(Duration::from_secs(seconds)), expected);
        }
    }
}
