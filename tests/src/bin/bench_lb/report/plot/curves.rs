//! Curves over a logarithmic axis: how much more something costs with ten times as many of something else.
//!
//! The other axis is logarithmic too, so that the same slope is the same growth, wherever a curve is.

use std::io;

use plotters::{prelude::*, style::text_anchor::HPos};

use super::{
    names::{self, LineEnd},
    style::{Area, INK, LARGE, SMALL, failed, line, picture, text},
};

const PANEL_WIDTH: u32 = 620;
const HEIGHT: u32 = 460;
/// The corners of the axes, as distances from the panel's edges.
const LEFT: i32 = 52;
const RIGHT: i32 = 246;
const TOP: i32 = 60;
const BOTTOM: i32 = 84;
/// Space between the axes' end and the names.
const NAMES_GAP: i32 = 26;

/// Up to this ratio of highest to lowest, ticks at 1, 2 and 5 would be too few.
const NARROW: f64 = 4.0;
const WIDE_TICKS: [f64; 3] = [1.0, 2.0, 5.0];
const NARROW_TICKS: [f64; 8] = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 5.0, 7.0];

/// A line: sizes and factors, in the order of the sizes.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) points: Vec<(f64, f64)>,
}

/// A panel.
#[derive(Clone, Debug)]
pub(super) struct CurvePanel {
    pub(super) title: String,
    pub(super) legend: &'static str,
    /// What the sizes count.
    pub(super) unit: &'static str,
    pub(super) curves: Vec<Curve>,
}

/// Panels side by side; `None` without curves.
pub(super) fn draw(panels: &[CurvePanel], caveat: &str) -> io::Result<Option<String>> {
    let panels: Vec<&CurvePanel> = panels.iter().filter(|panel| !panel.curves.is_empty()).collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let columns = u32::try_from(panels.len()).unwrap_or(1);
    let svg = picture((PANEL_WIDTH * columns, HEIGHT), |area| {
        text(area, caveat, (12, HEIGHT.cast_signed() - 14), (SMALL, INK, HPos::Left))?;
        let areas = area.split_evenly((1, panels.len()));
        areas.iter().zip(panels).try_for_each(|(area, panel)| draw_panel(area, panel))
    });
    svg.map(Some)
}

/// A logarithmic axis, from one pixel to another.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    pixels: (i32, i32),
}

impl Axis {
    /// Around all figures, which are above zero.
    fn around(figures: impl Iterator<Item = f64>, pixels: (i32, i32)) -> Self {
        let (low, high) = figures.fold((f64::MAX, 0.0_f64), |(low, high), figure| (low.min(figure), high.max(figure)));
        // A single figure needs an axis too.
        Self { low, high: high.max(low * 1.5), pixels }
    }

    fn pixel(&self, figure: f64) -> i32 {
        let part = (figure / self.low).ln() / (self.high / self.low).ln();
        let (from, to) = self.pixels;
        #[expect(clippy::cast_possible_truncation, reason = "within the picture")]
        let offset = (part * f64::from(to - from)).round() as i32;
        from + offset
    }

    /// Round figures on it.
    fn ticks(&self) -> Vec<f64> {
        let steps = if self.high / self.low < NARROW { &NARROW_TICKS[..] } else { &WIDE_TICKS[..] };
        let powers = (-3..=6).map(|power| 10_f64.powi(power));
        let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * power));
        ticks.filter(|tick| (self.low * 0.999..=self.high * 1.001).contains(tick)).collect()
    }
}

fn draw_panel(area: &Area<'_>, panel: &CurvePanel) -> io::Result<()> {
    let (width, height) = area.dim_in_pixel();
    let (right, bottom) = (width.cast_signed() - RIGHT, height.cast_signed() - BOTTOM);
    let points = || panel.curves.iter().flat_map(|curve| curve.points.iter().copied());
    let across = Axis::around(points().map(|(size, _)| size), (LEFT, right));
    // A little space, so that no curve lies on the edge.
    let factors = points().flat_map(|(_, factor)| [factor * 0.96, factor * 1.06]);
    let up = Axis::around(factors, (bottom, TOP));

    text(area, &panel.title, (12, 16), (LARGE, INK, HPos::Left))?;
    text(area, panel.legend, (12, 38), (SMALL, INK, HPos::Left))?;
    for tick in up.ticks() {
        let at = up.pixel(tick);
        line(area, (LEFT, at), (right, at), INK.mix(0.3).stroke_width(1))?;
        text(area, &tick_name(tick), (LEFT - 8, at), (SMALL, INK, HPos::Right))?;
    }
    let mut sizes: Vec<f64> = points().map(|(size, _)| size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    for size in sizes {
        let at = across.pixel(size);
        line(area, (at, TOP), (at, bottom), INK.mix(0.3).stroke_width(1))?;
        text(area, &with_commas(size), (at, bottom + 15), (SMALL, INK, HPos::Center))?;
    }
    text(area, panel.unit, (i32::midpoint(LEFT, right), bottom + 36), (SMALL, INK, HPos::Center))?;

    let mut ends = Vec::new();
    for Curve { name, colour, points } in &panel.curves {
        let pixels: Vec<(i32, i32)> =
            points.iter().map(|&(size, factor)| (across.pixel(size), up.pixel(factor))).collect();
        area.draw(&PathElement::new(pixels.clone(), colour.stroke_width(2))).map_err(failed)?;
        for &pixel in &pixels {
            area.draw(&Circle::new(pixel, 3, colour.filled())).map_err(failed)?;
        }
        ends.extend(pixels.last().map(|&at| LineEnd { at, name: name.clone(), colour: *colour }));
    }
    names::draw(area, right + NAMES_GAP, &ends)
}

fn tick_name(tick: f64) -> String {
    let digits = usize::from((tick - tick.round()).abs() > 1e-9);
    format!("{tick:.digits$}")
}

/// A whole number as text has it: `10,000`.
fn with_commas(size: f64) -> String {
    let digits = format!("{size:.0}");
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ratios_are_equal_distances() {
        let axis = Axis::around([1.0, 100.0].into_iter(), (200, 0));
        assert_eq!([1.0, 10.0, 100.0].map(|figure| axis.pixel(figure)), [200, 100, 0]);
        assert_eq!(axis.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn narrow_axis_has_ticks_too() {
        assert_eq!(Axis::around([0.96, 1.6].into_iter(), (0, 100)).ticks(), [1.0, 1.2, 1.5]);
        assert!(Axis::around([1.0].into_iter(), (0, 100)).ticks().len() > 1);
    }

    #[test]
    fn sizes_are_written_as_in_text() {
        assert_eq!([3.0, 512.0, 8_000.0, 10_000.0].map(with_commas), ["3", "512", "8,000", "10,000"]);
        assert_eq!([0.7, 1.0, 2.5].map(tick_name), ["0.7", "1", "2.5"]);
    }
}
