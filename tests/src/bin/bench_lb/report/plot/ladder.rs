//! The ladder: CPU time per request, a bar per chapter, a horizontal line per peer and for the floor.

use std::io;

use plotters::{prelude::*, style::text_anchor::HPos};

use super::{
    super::{About, Entry, table::number},
    names::{self, LineEnd},
    style::{Area, FLOOR, INK, LARGE, OURS, SMALL, colour, failed, line, picture, text},
};
use crate::metric::Metric;

const PANEL_WIDTH: u32 = 500;
const HEIGHT: u32 = 400;
/// Space below the panels for the caveat.
const FOOT_HEIGHT: u32 = 26;
/// Space at the right of a panel for the names of the lines.
const NAMES_WIDTH: u32 = 160;

/// A bar or a line.
#[derive(Clone, Debug)]
pub(super) struct Rung {
    target: String,
    label: String,
    total: f64,
    system: f64,
}

impl Rung {
    pub(super) fn of(entry: &Entry, about: &About) -> Option<Self> {
        let total = entry.median(Metric::CpuUs)?;
        let system = entry.median(Metric::SystemUs)?.min(total);
        Some(Self { target: entry.target.clone(), label: about.label(&entry.target), total, system })
    }

    pub(super) fn is_chapter(&self) -> bool {
        self.number().is_some()
    }

    fn number(&self) -> Option<&str> {
        self.target.strip_prefix("chapter ")
    }
}

/// Panels side by side, with their titles.
pub(super) fn draw(panels: &[(String, Vec<Rung>)], caveat: &str) -> io::Result<String> {
    let count = u32::try_from(panels.len()).unwrap_or(1);
    picture((PANEL_WIDTH * count, HEIGHT + FOOT_HEIGHT), |area| {
        let title = "CPU time per small request in µs (full: in the kernel, faint: in the program)";
        text(area, title, (12, 16), (LARGE, INK, HPos::Left))?;
        let foot = (HEIGHT + FOOT_HEIGHT / 2 - 2).cast_signed();
        text(area, caveat, (12, foot), (SMALL, INK, HPos::Left))?;
        let (above, _) = area.split_vertically(HEIGHT);
        let (_, below) = above.split_vertically(30);
        for (panel, (title, rungs)) in below.split_evenly((1, panels.len())).iter().zip(panels) {
            draw_panel(panel, title, rungs)?;
        }
        Ok(())
    })
}

fn draw_panel(panel: &Area<'_>, title: &str, rungs: &[Rung]) -> io::Result<()> {
    let (chapters, others): (Vec<&Rung>, Vec<&Rung>) = rungs.iter().partition(|rung| rung.is_chapter());
    let highest = rungs.iter().map(|rung| rung.total).fold(1.0, f64::max) * 1.1;
    let slots = f64::from(u32::try_from(chapters.len()).unwrap_or(1));
    let mut chart = ChartBuilder::on(panel)
        .margin_top(24)
        .margin_right(NAMES_WIDTH)
        .x_label_area_size(40)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..slots, 0.0..highest)
        .map_err(failed)?;
    let mesh = chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .x_labels(0)
        .y_labels(6)
        .y_label_formatter(&|figure| format!("{figure:.0}"))
        .label_style(("sans-serif", SMALL).into_font().color(&INK))
        .axis_style(INK.mix(0.8))
        .bold_line_style(INK.mix(0.3))
        .light_line_style(TRANSPARENT)
        .draw();
    mesh.map_err(failed)?;

    let place = |x: f64, y: f64| chart.backend_coord(&(x, y));
    let (left, top) = panel.get_base_pixel();
    let local = |(x, y): (i32, i32)| (x - left, y - top);
    for (rung, slot) in chapters.iter().zip(0_u32..) {
        let (from, to) = (f64::from(slot) + 0.2, f64::from(slot) + 0.8);
        let bar = |low, high, style: ShapeStyle| {
            let corners = [local(place(from, high)), local(place(to, low))];
            panel.draw(&Rectangle::new(corners, style)).map_err(failed)
        };
        bar(0.0, rung.system, OURS.filled())?;
        bar(rung.system, rung.total, OURS.mix(0.55).filled())?;
        let (middle, end) = local(place(f64::midpoint(from, to), rung.total));
        text(panel, &number(rung.total), (middle, end - 10), (SMALL, INK, HPos::Center))?;
        let (_, base) = local(place(0.0, 0.0));
        text(panel, rung.number().unwrap_or_default(), (middle, base + 12), (SMALL, INK, HPos::Center))?;
    }
    let (middle, base) = local(place(slots / 2.0, 0.0));
    text(panel, "chapter", (middle, base + 29), (SMALL, INK, HPos::Center))?;
    text(panel, title, (middle, 12), (SMALL, INK, HPos::Center))?;

    let ((start, _), (end, _)) = (local(place(0.0, 0.0)), local(place(slots, 0.0)));
    let mut ends = Vec::new();
    for rung in others {
        let (colour, height) = (colour(&rung.target), local(place(0.0, rung.total)).1);
        let width = if colour == FLOOR { 3 } else { 2 };
        line(panel, (start, height), (end, height), colour.stroke_width(width))?;
        ends.push(LineEnd { at: (end, height), name: format!("{}: {}", rung.label, number(rung.total)), colour });
    }
    names::draw(panel, end + 8, &ends)
}
