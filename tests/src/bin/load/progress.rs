//! The bar on stderr, only when that is a terminal.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{schedule::Limit, tally::Gauge};

/// The interval of updates.
pub(crate) const INTERVAL: Duration = Duration::from_millis(200);

pub(crate) struct Progress {
    bar: ProgressBar,
    gauges: Vec<Arc<Gauge>>,
    limit: Limit,
    start: Instant,
    warm_up: Duration,
    last: (Instant, u64),
}

impl Progress {
    pub(crate) fn new(
        quiet: bool,
        gauges: Vec<Arc<Gauge>>,
        limit: Limit,
        (start, warm_up): (Instant, Duration),
    ) -> Self {
        let length = match limit {
            Limit::For(duration) => millis(warm_up + duration),
            Limit::Requests(requests) => requests,
        };
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self { bar, gauges, limit, start, warm_up, last: (start, 0) }
    }

    /// Shows the rate since the last update.
    pub(crate) fn show(&mut self, now: Instant) {
        let sum = |count: fn(&Gauge) -> u64| self.gauges.iter().map(|gauge| count(gauge)).sum::<u64>();
        let done = sum(|gauge| gauge.done.load(Ordering::Relaxed));
        let failed = sum(|gauge| gauge.failed.load(Ordering::Relaxed));
        let (before, done_before) = self.last;
        let span = millis(now.saturating_duration_since(before)).max(1);
        let rate = (done - done_before) * 1_000 / span;
        self.last = (now, done);
        let elapsed = now.saturating_duration_since(self.start);
        self.bar.set_position(match self.limit {
            Limit::For(_) => millis(elapsed),
            Limit::Requests(_) => done,
        });
        let phase = if elapsed < self.warm_up { "warm-up, " } else { "" };
        self.bar.set_message(format!("{phase}{rate} requests/s, {failed} failed"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
