//! The plots' colours, fonts and strokes, in pixels.

use std::{fmt::Display, io};

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// A picture under way.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The same colours as in the chapters' pictures: orange is the balancer.
pub(super) const OURS: RGBColor = RGBColor(0xd9, 0x77, 0x06);
pub(super) const PEER: RGBColor = RGBColor(0x3b, 0x82, 0xf6);
pub(super) const FLOOR: RGBColor = RGBColor(0x16, 0xa3, 0x4a);
/// Text and axes: over 3.5:1 against white and against a dark page.
pub(super) const INK: RGBColor = RGBColor(0x80, 0x88, 0x94);

/// What `plotters` calls 16 is 12.9 px in the file, and 18 is 14.5.
pub(super) const SMALL: u32 = 16;
pub(super) const LARGE: u32 = 18;

/// The colour of a target.
pub(super) fn colour(target: &str) -> RGBColor {
    match target {
        "floor" => FLOOR,
        _ if target.starts_with("chapter") => OURS,
        _ => PEER,
    }
}

/// Text with its vertical middle at `at`.
pub(super) fn text(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    (size, colour, anchor): (u32, RGBColor, HPos),
) -> io::Result<()> {
    let style = ("sans-serif", size).into_font().color(&colour).pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style)).map_err(failed)
}

pub(super) fn line(area: &Area<'_>, from: (i32, i32), to: (i32, i32), style: ShapeStyle) -> io::Result<()> {
    area.draw(&PathElement::new(vec![from, to], style)).map_err(failed)
}

/// A picture of this size without a background, drawn by `strokes`.
pub(super) fn picture(size: (u32, u32), strokes: impl FnOnce(&Area<'_>) -> io::Result<()>) -> io::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        strokes(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// `plotters` has a generic error; we draw into a string, where nothing fails.
pub(super) fn failed(error: impl Display) -> io::Error {
    io::Error::other(format!("the picture: {error}"))
}
