//! Names beside the right ends of lines, each in its line's colour.

use std::io;

use plotters::{prelude::*, style::text_anchor::HPos};

use super::style::{Area, SMALL, line, text};

/// Distance between two lines of text.
const LINE_HEIGHT: i32 = 17;

/// The end of a line, and its name.
#[derive(Clone, Debug)]
pub(super) struct LineEnd {
    pub(super) at: (i32, i32),
    pub(super) name: String,
    pub(super) colour: RGBColor,
}

/// Writes the names at `column`, as close to the heights of their lines as possible without overlap.
pub(super) fn draw(area: &Area<'_>, column: i32, ends: &[LineEnd]) -> io::Result<()> {
    let heights: Vec<i32> = ends.iter().map(|end| end.at.1).collect();
    for (end, height) in ends.iter().zip(apart(&heights)) {
        line(area, end.at, (column, height), end.colour.mix(0.6).stroke_width(1))?;
        text(area, &end.name, (column + 3, height), (SMALL, end.colour, HPos::Left))?;
    }
    Ok(())
}

/// Heights for the names of the lines at `heights`: as close to them as possible without overlap.
fn apart(heights: &[i32]) -> Vec<i32> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    // From the lowest line, which has the largest y, upwards: below it is the axis.
    order.sort_by_key(|&at| std::cmp::Reverse(heights[at]));
    let mut placed = heights.to_vec();
    for pair in order.windows(2) {
        placed[pair[1]] = placed[pair[1]].min(placed[pair[0]] - LINE_HEIGHT);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_equal_lines_do_not_lie_on_each_other() {
        assert_eq!(apart(&[100, 300, 200]), [100, 300, 200]);
        assert_eq!(apart(&[300, 299, 100]), [300, 283, 100]);
        assert_eq!(apart(&[300, 300, 290]), [300, 283, 266]);
        assert_eq!(apart(&[]), Vec::<i32>::new());
    }
}
