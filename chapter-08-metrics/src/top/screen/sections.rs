//! Workers, limits and events: labelled lines, of which there are as many as the screen has room for.

use ratatui::{
    layout::Rect,
    style::{Color, Style, Stylize as _},
    text::{Line, Span},
};

use crate::top::{
    format::{self, fit},
    view::{EventLine, LimitRow, View},
};

/// The lines of all sections.
#[derive(Debug)]
pub(super) struct Sections {
    pub(super) workers: Section,
    pub(super) limits: Section,
    pub(super) events: Section,
}

/// The lines of one.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) lines: Vec<Line<'static>>,
}

/// The width of the labels before them.
const LABEL: usize = 8;
/// The width of a worker with its bar: ` 0 ██████░░░░ 63.2%  `.
const WORKER: usize = 18;
/// The width of its bar.
const BAR: usize = 8;

impl Sections {
    /// Of this view, on a screen of this size.
    pub(super) fn new(view: &View, screen: Rect) -> Self {
        let (height, width) = (usize::from(screen.height), usize::from(screen.width));
        let wide = width.saturating_sub(LABEL);
        Self {
            workers: labelled("workers", worker_lines(&view.workers, wide, height / 12)),
            limits: labelled("limits", limit_lines(&view.limits, wide, height / 12)),
            events: labelled("events", event_lines(&view.events, wide, height / 8)),
        }
    }
}

impl Section {
    pub(super) fn rows(&self) -> u16 {
        u16::try_from(self.lines.len()).unwrap_or(u16::MAX)
    }
}

/// The lines with a label before the first.
fn labelled(label: &'static str, lines: Vec<Line<'static>>) -> Section {
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    let with_label = |(label, mut line): (&str, Line<'static>)| {
        line.spans.insert(0, Span::from(format!("{label:LABEL$}")).cyan());
        line
    };
    Section { lines: labels.zip(lines).map(with_label).collect() }
}

/// A bar for each worker; if there are too many, a block for each.
fn worker_lines(workers: &[Option<f64>], width: usize, max_lines: usize) -> Vec<Line<'static>> {
    let per_line = (width / WORKER).max(1);
    let busy: Vec<_> = workers.iter().map(|busy| busy.unwrap_or_default()).collect();
    if workers.len() > per_line * max_lines {
        return block_lines(&busy, width, max_lines);
    }
    let cells = busy.iter().enumerate().map(|(id, busy)| worker_cell(id, *busy));
    let cells: Vec<_> = cells.collect();
    cells.chunks(per_line).map(|cells| Line::from(cells.concat())).collect()
}

fn worker_cell(id: usize, busy: f64) -> Vec<Span<'static>> {
    let full = steps_of(busy, BAR);
    let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
    let color = Style::new().fg(load_color(busy));
    vec![Span::from(format!("{id:>2} ")), Span::styled(bar, color), Span::from(format!(" {:<6}", percent(busy)))]
}

/// Eight heights of a block, for workers that are too many to have a bar.
fn block_lines(busy: &[f64], width: usize, max_lines: usize) -> Vec<Line<'static>> {
    const BLOCKS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let block = |busy: &f64| Span::styled(BLOCKS[steps_of(*busy, 8)], Style::new().fg(load_color(*busy)));
    let (busiest, most) = busy
        .iter()
        .enumerate()
        .max_by(|one, other| one.1.total_cmp(other.1))
        .map_or((0, 0.0), |(id, busy)| (id, *busy));
    let summary = format!("{} workers, the busiest is {busiest} with {}", busy.len(), percent(most));
    let rows = busy.chunks(width.max(1)).map(|row| row.iter().map(block).collect::<Line<'_>>());
    std::iter::once(Line::from(summary)).chain(rows).take(max_lines).collect()
}

/// How many of `steps` a share is, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share is between 0 and 1"
)]
fn steps_of(share: f64, steps: usize) -> usize {
    ((share * steps as f64).round() as usize).min(steps)
}

fn percent(share: f64) -> String {
    format::percent(Some(share))
}

fn load_color(busy: f64) -> Color {
    match busy {
        ..0.6 => Color::Green,
        ..0.85 => Color::Yellow,
        _ => Color::Red,
    }
}

fn limit_lines(limits: &[LimitRow], width: usize, max_lines: usize) -> Vec<Line<'static>> {
    // Those that refuse come first.
    let mut sorted: Vec<_> = limits.iter().collect();
    sorted.sort_by(|one, other| other.refused_rate.unwrap_or(0.0).total_cmp(&one.refused_rate.unwrap_or(0.0)));
    let lines: Vec<_> = sorted.into_iter().map(|limit| limit_line(limit, width)).collect();
    with_rest(lines, max_lines, "limits")
}

fn limit_line(limit: &LimitRow, width: usize) -> Line<'static> {
    let numbers = format!(
        "passed {}/s  {} {}/s ({})",
        format::rate(limit.allowed_rate),
        if limit.is_dry_run { "would refuse" } else { "refused" },
        format::rate(limit.refused_rate),
        format::count(limit.refused),
    );
    let name = match limit.rule.as_str() {
        "" => limit.name.clone(),
        rule => format!("{} {rule}", limit.name),
    };
    let line = format!("{}  {numbers}", fit(&name, width.saturating_sub(numbers.len() + 2)));
    let line = Line::from(line);
    if limit.refused_rate.unwrap_or(0.0) > 0.0 { line.yellow() } else { line }
}

fn event_lines(events: &[EventLine], width: usize, max_lines: usize) -> Vec<Line<'static>> {
    let line =
        |event: &EventLine| Line::from(fit(&format!("{} {}", format::time_of_day(event.time_ms), event.text), width));
    events.iter().take(max_lines).map(line).collect()
}

/// As many lines as there may be, the last of which says how many are missing.
fn with_rest(mut lines: Vec<Line<'static>>, max_lines: usize, what: &str) -> Vec<Line<'static>> {
    let shown = max_lines.saturating_sub(1);
    if lines.len() > max_lines {
        let more = lines.len() - shown;
        lines.truncate(shown);
        lines.push(Line::from(format!("{more} more {what}")).dim());
    }
    lines
}
