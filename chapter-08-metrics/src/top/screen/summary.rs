//! The first three lines: the program, and the whole process.

use std::time::Duration;

use ratatui::{style::Stylize as _, text::Line};

use crate::top::{
    app::App,
    format::{self, fit},
    view::{Summary, View},
};

/// A longer name is another program's: it must not push the address out of sight.
const MAX_NAME: usize = 20;

pub(super) fn lines(app: &App) -> Vec<Line<'static>> {
    match &app.view {
        None => vec![Line::from(format!("lb_top: reading {}", app.url))],
        Some(view) => {
            let [rates, gauges] = [rate_line, gauge_line].map(|line| Line::from(line(view)));
            vec![Line::from(title(&view.summary, &app.url)).bold(), rates, gauges]
        }
    }
}

/// `observable_lb 0.1.0  up 1h 02m  http://127.0.0.1:9900  read-only`
pub(crate) fn title(summary: &Summary, url: &str) -> String {
    let Summary { name, version, uptime, is_writable, is_draining, .. } = summary;
    let (name, version) = (fit(name, MAX_NAME), fit(version, MAX_NAME));
    let access = if *is_writable { "" } else { "  read-only" };
    let draining = if *is_draining { "  DRAINING" } else { "" };
    format!("{name} {version}  up {}  {url}{access}{draining}", format::uptime(*uptime))
}

/// What is counted per second.
pub(crate) fn rate_line(view: &View) -> String {
    let summary = &view.summary;
    format!(
        "{} req/s  errors {}  clients {} (+{}/s)  in {}  out {}",
        format::rate(summary.request_rate),
        format::percent(summary.error_ratio),
        format::count(summary.connections),
        format::rate(summary.connection_rate),
        format::byte_rate(summary.received_rate),
        format::byte_rate(summary.sent_rate),
    )
}

/// What is now, what was since the start, and what the rates are measured over.
pub(crate) fn gauge_line(view: &View) -> String {
    let summary = &view.summary;
    let over = summary.measured_over.map_or_else(|| "since start".to_owned(), seconds);
    let omitted = match view.backends_omitted {
        0 => String::new(),
        omitted => format!(" (+{omitted} not listed)"),
    };
    format!(
        "in flight {}  queued {}  requests {}  backends {}{omitted}  rates: {over}",
        format::count(summary.in_flight),
        format::count(summary.queued),
        format::count(summary.requests),
        view.backends.len(),
    )
}

/// `last 1.0 s`
fn seconds(length: Duration) -> String {
    format!("last {:.1} s", length.as_secs_f64())
}
