//! The order of the backends.

use std::cmp::Ordering;

use super::view::BackendRow;
use crate::live::document::LiveState;

/// What the backends are sorted by. Numbers put the largest first, for that is the one to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// As in the document: group by group, as configured.
    #[default]
    Configured,
    /// The name.
    Name,
    /// Those that may not be picked first.
    State,
    /// The share of the group's requests.
    Share,
    /// Requests in flight.
    InFlight,
    /// Requests per second.
    Requests,
    /// Errors per second.
    Errors,
    /// The 99th percentile of the time to the first byte.
    P99,
}

impl SortBy {
    /// The next one, and after the last the first.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Configured => Self::Name,
            Self::Name => Self::State,
            Self::State => Self::Share,
            Self::Share => Self::InFlight,
            Self::InFlight => Self::Requests,
            Self::Requests => Self::Errors,
            Self::Errors => Self::P99,
            Self::P99 => Self::Configured,
        }
    }

    /// Its name on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Configured => "configuration",
            Self::Name => "name",
            Self::State => "state",
            Self::Share => "share",
            Self::InFlight => "in flight",
            Self::Requests => "req/s",
            Self::Errors => "err/s",
            Self::P99 => "p99",
        }
    }

    /// Sorts the rows. Equal ones keep the order of the document.
    pub fn sort(self, rows: &mut [BackendRow]) {
        rows.sort_by(|one, other| self.compare(one, other));
    }

    fn compare(self, one: &BackendRow, other: &BackendRow) -> Ordering {
        match self {
            Self::Configured => Ordering::Equal,
            Self::Name => one.name.cmp(&other.name),
            Self::State => badness(other.state).cmp(&badness(one.state)),
            Self::Share => descending(one.share, other.share),
            Self::InFlight => other.in_flight.cmp(&one.in_flight),
            Self::Requests => descending(one.request_rate, other.request_rate),
            Self::Errors => descending(one.error_rate, other.error_rate),
            Self::P99 => other.p99.cmp(&one.p99),
        }
    }
}

/// Unknown numbers come last.
fn descending(one: Option<f64>, other: Option<f64>) -> Ordering {
    other.unwrap_or(-1.0).total_cmp(&one.unwrap_or(-1.0))
}

/// How far a backend is from being picked.
fn badness(state: LiveState) -> u8 {
    match state {
        LiveState::Up => 0,
        LiveState::Other => 1,
        LiveState::HalfOpen => 2,
        LiveState::Drain => 3,
        LiveState::Ejected => 4,
        LiveState::Down => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::percentile::Percentile;

    fn row(id: u64, name: &str, state: LiveState, number: Option<f64>, p99: Option<Percentile>) -> BackendRow {
        BackendRow {
            id,
            name: name.to_owned(),
            state,
            share: number,
            request_rate: number,
            error_rate: number,
            p99,
            in_flight: u32::from(number.is_some()),
            ..BackendRow::default()
        }
    }

    #[test]
    fn each_order_puts_first_what_is_to_be_looked_at() {
        let rows = [
            row(1, "c", LiveState::Up, None, Some(Percentile::About(9_000))),
            row(2, "a", LiveState::Down, Some(0.5), None),
            row(3, "b", LiveState::Drain, Some(0.7), Some(Percentile::Above(30))),
            row(4, "d", LiveState::Up, Some(0.5), None),
        ];
        let (mut by, mut seen) = (SortBy::default(), Vec::new());
        for expected in [
            [1, 2, 3, 4],
            [2, 3, 1, 4],
            [2, 3, 1, 4],
            [3, 2, 4, 1],
            [2, 3, 4, 1],
            [3, 2, 4, 1],
            [3, 2, 4, 1],
            [3, 1, 2, 4],
        ] {
            let mut sorted = rows.clone();
            by.sort(&mut sorted);
            let order: Vec<_> = sorted.iter().map(|row| row.id).collect();
            assert_eq!(order, expected, "{by:?}");
            seen.push(by.word());
            by = by.next();
        }
        assert_eq!(by, SortBy::Configured, "all were tried: {seen:?}");
    }
}
