//! One row of dots per target on a logarithmic scale: the targets differ by up to a factor of a hundred, so bars from
//! zero would show only one of them.

use std::io;

use plotters::{prelude::*, style::text_anchor::HPos};

use super::style::{Area, INK, LARGE, SMALL, failed, line, picture, text};

const PANEL_WIDTH: u32 = 500;
const ROW_HEIGHT: u32 = 34;
const NAMES_WIDTH: i32 = 122;
const NOTES_WIDTH: u32 = 200;
/// Space above and below the rows.
const HEAD_HEIGHT: u32 = 58;
const FOOT_HEIGHT: u32 = 58;

/// One target: the first dot is filled, the second open.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) figures: Vec<f64>,
    /// The note at the end of the row.
    pub(super) note: Option<String>,
}

/// A panel.
#[derive(Debug)]
pub(super) struct Dots {
    pub(super) title: String,
    pub(super) legend: &'static str,
    pub(super) rows: Vec<Row>,
    pub(super) label: fn(f64) -> String,
    /// Formats the labels of the scale, which are powers of ten.
    pub(super) tick: fn(f64) -> String,
    /// The heading of the rows' notes; empty without notes.
    pub(super) notes: &'static str,
}

/// Panels side by side on the same scale; `None` without figures.
pub(super) fn draw(panels: &[Dots], caveat: &str) -> io::Result<Option<String>> {
    let panels: Vec<&Dots> = panels.iter().filter(|panel| !panel.rows.is_empty()).collect();
    let rows = panels.iter().map(|panel| panel.rows.len()).max().unwrap_or(0);
    let figures = panels.iter().flat_map(|panel| panel.rows.iter().flat_map(|row| row.figures.iter().copied()));
    let Some(scale) = Scale::of(figures) else { return Ok(None) };
    let (columns, rows) = (u32::try_from(panels.len()).unwrap_or(1), u32::try_from(rows).unwrap_or(1));
    // The title needs its width even with a single panel.
    let notes = if panels.iter().any(|panel| !panel.notes.is_empty()) { NOTES_WIDTH } else { 0 };
    let size = ((PANEL_WIDTH + notes) * columns, HEAD_HEIGHT + rows * ROW_HEIGHT + FOOT_HEIGHT);
    let svg = picture(size, |area| {
        text(area, caveat, (12, size.1.cast_signed() - 14), (SMALL, INK, HPos::Left))?;
        for (area, panel) in area.split_evenly((1, panels.len())).iter().zip(&panels) {
            draw_panel(area, panel, scale)?;
        }
        Ok(())
    });
    svg.map(Some)
}

/// The powers of ten around all figures, and positions on that scale.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    #[expect(clippy::cast_possible_truncation, reason = "powers of ten are few")]
    fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let powers: Vec<f64> = figures.filter(|figure| *figure > 0.0).map(f64::log10).collect();
        let low = powers.iter().copied().reduce(f64::min)?.floor() as i32;
        let high = powers.iter().copied().reduce(f64::max)?.ceil() as i32;
        Some(Self { low, high: high.max(low + 1) })
    }

    /// From 0 to 1.
    fn place(self, figure: f64) -> f64 {
        ((figure.log10() - f64::from(self.low)) / f64::from(self.high - self.low)).clamp(0.0, 1.0)
    }
}

fn draw_panel(area: &Area<'_>, panel: &Dots, scale: Scale) -> io::Result<()> {
    let (width, _) = area.dim_in_pixel();
    let end = width.cast_signed() - 12;
    let notes = if panel.notes.is_empty() { 0 } else { NOTES_WIDTH.cast_signed() - 60 };
    let (left, right) = (NAMES_WIDTH + 44, width.cast_signed() - 48 - notes);
    let column = |figure: f64| {
        let offset = scale.place(figure) * f64::from(right - left);
        #[expect(clippy::cast_possible_truncation, reason = "within the picture")]
        let offset = offset.round() as i32;
        left + offset
    };
    let height = |row: usize| (HEAD_HEIGHT + ROW_HEIGHT * u32::try_from(row).unwrap_or(0)).cast_signed();
    let bottom = height(panel.rows.len());
    text(area, &panel.title, (12, 16), (LARGE, INK, HPos::Left))?;
    text(area, panel.legend, (12, 37), (SMALL, INK, HPos::Left))?;
    if !panel.notes.is_empty() {
        text(area, panel.notes, (end, 37), (SMALL, INK, HPos::Right))?;
    }
    for power in scale.low..=scale.high {
        let tick = 10_f64.powi(power);
        line(area, (column(tick), HEAD_HEIGHT.cast_signed()), (column(tick), bottom), INK.mix(0.3).stroke_width(1))?;
        text(area, &(panel.tick)(tick), (column(tick), bottom + 14), (SMALL, INK, HPos::Center))?;
    }
    for (at, row) in panel.rows.iter().enumerate() {
        let middle = height(at) + ROW_HEIGHT.cast_signed() / 2;
        let colour = row.colour;
        text(area, &row.name, (NAMES_WIDTH, middle), (SMALL, colour, HPos::Right))?;
        let columns: Vec<i32> = row.figures.iter().copied().map(column).collect();
        let start = if columns.len() == 1 { left } else { columns[0] };
        let stop = columns.last().copied().unwrap_or(left);
        line(area, (start, middle), (stop, middle), colour.mix(0.6).stroke_width(2))?;
        dots(area, &columns, middle, colour)?;
        labels(area, row, &columns, (middle, panel.label))?;
        if let Some(note) = &row.note {
            text(area, note, (end, middle), (SMALL, INK, HPos::Right))?;
        }
    }
    Ok(())
}

fn dots(area: &Area<'_>, columns: &[i32], middle: i32, colour: RGBColor) -> io::Result<()> {
    for (at, &column) in columns.iter().enumerate() {
        let style = if at == 0 { colour.filled() } else { colour.stroke_width(2) };
        area.draw(&Circle::new((column, middle), 5, style)).map_err(failed)?;
    }
    Ok(())
}

/// Figures next to their dots: outside a pair, after a single dot.
fn labels(area: &Area<'_>, row: &Row, columns: &[i32], (middle, label): (i32, fn(f64) -> String)) -> io::Result<()> {
    let count = columns.len();
    for (at, (&column, &figure)) in columns.iter().zip(&row.figures).enumerate() {
        let (offset, side) = if at + 1 < count { (-9, HPos::Right) } else { (9, HPos::Left) };
        text(area, &label(figure), (column + offset, middle), (SMALL, INK, side))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_holds_all_figures_between_powers_of_ten() {
        let scale = Scale::of([40.0, 7_000.0].into_iter()).unwrap();
        assert_eq!(scale, Scale { low: 1, high: 4 });
        assert!((scale.place(100.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(Scale::of([100.0].into_iter()), Some(Scale { low: 2, high: 3 }));
        assert_eq!(Scale::of([0.0].into_iter()), None);
    }
}
